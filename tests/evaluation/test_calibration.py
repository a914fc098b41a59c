"""What people said of answers, and how far a judge agrees."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from runner.errors import GituneError, SpecError
from runner.evaluation.calibration import Labelled, agreement, read_calibration, require_agreement
from runner.evaluation.grading import Graded
from runner.evaluation.scores import JudgeAgreement


def line(number, **fields):
    return {"input": f"q{number}", "reference": "r", "answer": f"a{number}", "label": number % 2, **fields}


def data(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def rows(count=50, **fields):
    return [line(number, **fields) for number in range(count)]


def labelled(*labels):
    return [Labelled(Graded(f"r{n}", "q", "r", "a"), float(label)) for n, label in enumerate(labels)]


def test_labels_are_read():
    found = read_calibration(data(*rows()) + b"\n", "cal.jsonl")
    assert len(found) == 50
    assert found[1] == Labelled(Graded("line-2", "q1", "r", "a1"), 1.0)


def test_a_separator_of_lines_that_is_none_of_json_ends_no_line():
    text = json.dumps(line(0, answer="a\u2028b"), ensure_ascii=False).encode()
    assert read_calibration(text + b"\n" + data(*rows()), "cal.jsonl")[0].row.answer == "a\u2028b"


@pytest.mark.parametrize(
    ("extra", "number", "message"),
    [
        (b"{", 51, "ends before it is complete"),
        (b"[]", 51, "not a JSON object"),
        (b"\xff", 51, "not UTF-8"),
        (data(line(60, label=2)), 51, "'label' is missing or no number from 0 to 1"),
        (data(line(60, label=True)), 51, "'label'"),
        (data(line(60, label=None)), 51, "'label'"),
        (data(line(60, answer=3)), 51, "'answer' is missing"),
        (data(line(60, lable=1)), 51, "unknown field 'lable'"),
    ],
)
def test_a_wrong_line_is_told_at_its_place(extra, number, message):
    with pytest.raises(SpecError) as caught:
        read_calibration(data(*rows()) + extra, "specs/x/cal.jsonl")
    (problem,) = caught.value.problems
    assert (problem.where.file, problem.where.line) == ("specs/x/cal.jsonl", number)
    assert message in problem.message


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (rows(49), "49 different labelled answers; a calibration needs 50"),
        ([line(n % 20) for n in range(200)], "20 different"),
        ([line(n, label=int(n > 5)) for n in range(60)], "90% of the labels are good"),
        ([line(n, label=0) for n in range(60)], "100% of the labels are bad"),
        ([line(n, label=0.9) for n in range(60)], "100% of the labels are good"),
    ],
)
def test_labels_that_show_nothing_are_refused(labels, message):
    with pytest.raises(SpecError, match=message):
        read_calibration(data(*labels), "cal.jsonl")


def test_agreement_on_labels_of_0_and_1():
    # 20 both good, 15 both bad, 5 only the person, 10 only the judge: textbook kappa 0.4.
    people = [1] * 20 + [0] * 15 + [1] * 5 + [0] * 10
    judge = [0.9] * 20 + [0.1] * 15 + [0.4] * 5 + [0.5] * 10
    found = agreement(labelled(*people), judge, 0.85)
    assert (found.method, found.rows, found.graded) == ("accuracy", 50, 50)
    assert found.agreement == pytest.approx(0.7)
    assert found.kappa == pytest.approx(0.4)
    assert not found.suffices


def test_kappa_is_that_of_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    people, judge = [1, 0, 0, 1, 1, 0, 1, 1], [1, 0, 1, 1, 0, 0, 1, 1]
    found = agreement(labelled(*people), judge, None)
    assert found.kappa == pytest.approx(metrics.cohen_kappa_score(people, judge))


def test_agreement_on_grades_is_that_of_their_ranks():
    people = [0.1, 0.2, 0.5, 0.9]
    assert agreement(labelled(*people), [0.2, 0.3, 0.31, 1.0], None).agreement == pytest.approx(1.0)
    assert agreement(labelled(*people), [1.0, 0.5, 0.4, 0.0], None).agreement == pytest.approx(-1.0)
    assert agreement(labelled(*people), [0.5] * 4, None).agreement == 0.0
    assert agreement(labelled(*people), [0.5] * 4, None).method == "spearman"


def test_what_was_not_graded_does_not_count():
    found = agreement(labelled(1, 0, 1), [1.0, None, 1.0], 0.85)
    assert (found.rows, found.graded, found.agreement) == (3, 2, 1.0)
    assert not agreement(labelled(1, 0), [None, None], 0.0).suffices


def test_a_judge_that_always_says_the_same_agrees_by_chance():
    found = agreement(labelled(*[1] * 80, *[0] * 20), [1.0] * 100, 0.75)
    assert found.agreement == pytest.approx(0.8)
    assert found.kappa == 0.0
    assert not found.suffices


def gate_on(metric):
    return SimpleNamespace(metric=metric)


def test_a_gate_on_a_judge_that_does_not_agree_is_an_error():
    poor = JudgeAgreement(rows=50, graded=50, method="accuracy", agreement=0.8, kappa=0.6, required=0.85)
    good = poor.model_copy(update={"agreement": 0.85})
    scores = SimpleNamespace(judges={"polite": poor, "kind": good})
    require_agreement([gate_on("exact_match"), gate_on("kind")], scores)
    with pytest.raises(GituneError, match=r"by polite: on 50 answers.*0\.80 \(accuracy, kappa 0\.60\).*asks for 0\.85"):
        require_agreement([gate_on("kind"), gate_on("polite")], scores)
