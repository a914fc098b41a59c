"""What became of each row, against base and the champion, whatever says what is right."""

import pytest

from runner.data.prompts import prompt_of
from runner.data.rows import Row
from runner.evaluation.scores import Scores, SubjectScores
from runner.report.build import build_report
from runner.report.evidence import Evidence, Told
from runner.report.model import Nearest
from runner.report.rows import Judged, count_changes, judge_rows, report_rows


def judged(base, tuned, **others):
    return Judged("m", {"base": base, "tuned": tuned, **others})


@pytest.mark.parametrize(
    ("base", "tuned", "fixed", "broken", "unchanged", "graded"),
    [
        ([0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0], 1, 1, 2, False),
        # Rows without an answer are in none of the counts.
        ([None, 0.0, 1.0], [1.0, None, 1.0], 0, 0, 1, False),
        ([0.2, 0.5, 0.3], [0.4, 0.1, 0.3], 1, 1, 1, True),
        # Not more than what binary fractions miss.
        ([0.1 + 0.2], [0.3], 0, 0, 1, True),
        ([], [], 0, 0, 0, False),
    ],
)
def test_changes(base, tuned, fixed, broken, unchanged, graded):
    found = count_changes(judged(base, tuned), "base")
    assert (found.fixed, found.broken, found.unchanged, found.graded) == (fixed, broken, unchanged, graded)


def test_changes_against_the_champion_are_their_own():
    found = judged([0.0, 0.0], [1.0, 0.0], champion=[1.0, 1.0])
    assert count_changes(found, "champion").broken == 1
    assert count_changes(found, "base").broken == 0


def subject(rows, n=2, **more):
    return SubjectScores(n=n, values=dict.fromkeys(rows, 0.5), rows=rows, **more)


@pytest.mark.parametrize(
    ("primary", "rows", "chosen"),
    [
        ("rouge_l", {"rouge_l": [0.1, 0.2], "exact_match": [0.0, 1.0]}, "rouge_l"),
        ("macro_f1", {"exact_match": [0.0, 1.0]}, "exact_match"),
        ("bleu", {"format_compliance": [1.0, 1.0], "rouge_1": [0.1, 0.2]}, "rouge_1"),
        # A compliant or a short answer is not a right one.
        ("bleu", {"format_compliance": [1.0, 1.0], "answer_tokens": [3.0, 4.0]}, "exact_match"),
    ],
)
def test_what_says_that_a_row_is_right(pieces, primary, rows, chosen):
    scores = Scores(subjects={"base": subject(rows), "tuned": subject(rows)})
    evaluation = pieces["spec"].evaluation.model_copy(update={"primary": primary})
    spec = pieces["spec"].model_copy(update={"evaluation": evaluation})
    evidence = Evidence(**{**pieces, "spec": spec, "scores": scores, "rows": pieces["rows"][:2]})
    assert judge_rows(evidence).metric == chosen


def test_every_status(pieces):
    ids = [f"{number}-0" for number in range(6)]
    rows = [
        Row(name, [{"role": "user", "content": f"q{name}"}, {"role": "assistant", "content": "a"}], None)
        for name in ids
    ]
    base, tuned = [0.0, 1.0, 1.0, 0.0, 0.0, None], [1.0, 0.0, 1.0, 0.0, 0.0, 1.0]
    breaks = [[], ["not_json"], [], ["not_json"], [], []]
    scores = Scores(
        rows=ids,
        subjects={
            "base": subject({"exact_match": base}, 5, unanswered=[5]),
            "tuned": subject({"exact_match": tuned}, 6, breaks=breaks),
        },
        near=[True, False, False, False, False, False],
        slices={"language": ["de", None, "de", "de", "de", "de"]},
    )
    near = Nearest(row="t-0", similarity=0.93, where="data/train.jsonl:812", input="q", answer="a")
    evidence = Evidence(
        **{
            **pieces,
            "scores": scores,
            "rows": rows,
            "answers": {"tuned": Told({prompt_of(row).id: f"t{row.id}" for row in rows}), "base": Told({})},
            "places": {"0-0": "data/test.jsonl:1"},
            "nearest": {"0-0": [near]},
        }
    )
    found = report_rows(evidence, judge_rows(evidence))
    # A broken row is told as broken, whatever else is wrong with its answer: the counts must add up.
    assert [row.status for row in found] == [
        "fixed",
        "broken",
        "both_right",
        "format_error",
        "both_wrong",
        "unanswered",
    ]
    first = found[0]
    assert (first.near, first.where, first.slices) == (True, "data/test.jsonl:1", {"language": "de"})
    assert first.nearest == [near]
    assert first.answers == {"tuned": "t0-0"}
    assert found[1].violations == ["not_json"]
    assert found[5].values == {"exact_match": {"base": None, "tuned": 1.0}}


def test_long_texts_of_rows_are_bounded(pieces):
    pieces["answers"]["tuned"] = Told(dict.fromkeys(pieces["answers"]["tuned"].texts, "x" * 1_000_000))
    report = build_report(Evidence(**pieces))
    assert report.rows[0].answers["tuned"].endswith("… (+996000 characters)")
    assert len(report.rows[0].answers["tuned"]) < 4100
