"""Metrics that a spec defines itself, and what is refused before anything is trained."""

from contextlib import contextmanager

import pytest
from scoring import scored
from world import SPEC

from runner.errors import GituneError, Location
from runner.evaluation.measurable import validate_measurable
from runner.spec.evaluation import CustomMetric, Evaluation

PAIRS = [("Total: 10 EUR", "It is 10.2 EUR."), ("Total: 20 EUR", "twenty EURO"), ("3", "3")]


def own(**values):
    return CustomMetric.model_validate({"name": "mine", **values})


@pytest.mark.parametrize(
    ("definition", "rows"),
    [
        ({"contains": "EUR"}, [1, 1, 0]),
        ({"contains": "eur"}, [0, 0, 0]),
        ({"contains": "eur", "ignore_case": True}, [1, 1, 0]),
        ({"regex": r"\bEUR\b"}, [1, 0, 0]),
        ({"regex": r"\beur\b", "ignore_case": True}, [1, 0, 0]),
        ({"numeric": "last"}, [0, 0, 1]),
        ({"numeric": "last", "tolerance": 0.5}, [1, 0, 1]),
        ({"numeric": "last", "tolerance": 0.02, "relative": True}, [1, 0, 1]),
    ],
)
def test_rows(definition, rows):
    found = scored(PAIRS, ["mine"], custom=[own(**definition)])
    assert found.rows == {"mine": rows}
    assert found.values["mine"] == pytest.approx(sum(rows) / 3)


def test_a_definition_that_metrics_do_not_list_is_not_computed():
    assert scored(PAIRS, custom=[own(contains="EUR")]).rows.keys() == {"exact_match"}


def test_an_expression_that_takes_for_ever_is_an_error_and_no_wrong_answer():
    with pytest.raises(GituneError, match="mine: searching the answer to row id-question 0 took longer"):
        scored([("a", "a" * 40 + "b")], ["mine"], custom=[own(regex="(a|a)+$(?<!a)")])


def test_references_must_hold_numbers():
    with pytest.raises(GituneError, match=r"mine compares numbers, but 2 of 3 references are no number"):
        scored(PAIRS, ["mine"], custom=[own(numeric="whole")])


@contextmanager
def lengths(custom):
    class Lengths:
        def grade(self, rows):
            return [None if "?" in row.answer else len(row.answer) / 10 for row in rows]

    yield Lengths()


def test_a_grader_sees_rows_and_its_grades_count():
    seen = []

    @contextmanager
    def watched(custom):
        with lengths(custom) as grader:
            yield grader
        seen.append(custom.name)

    found = scored([("a", "12345"), ("b", "1")], ["mine"], custom=[own(command="x")], open_grader=watched)
    assert found.rows["mine"] == [0.5, 0.1]
    assert seen == ["mine"]


def test_few_answers_without_a_grade_are_left_out_and_many_are_an_error():
    pairs = [("a", "12345")] * 98 + [("a", "?")] * 2
    found = scored(pairs, ["mine"], custom=[own(command="x")], open_grader=lengths)
    assert found.values["mine"] == 0.5
    assert found.rows["mine"][-2:] == [None, None]
    with pytest.raises(GituneError, match="mine: 3 of 100 answered rows have no value"):
        scored([*pairs[1:], ("a", "?")], ["mine"], custom=[own(command="x")], open_grader=lengths)


@pytest.mark.parametrize("grades", [[1.5], [float("nan")], [-0.1], []])
def test_what_is_no_grade_is_refused(grades):
    @contextmanager
    def wrong(_):
        class Wrong:
            def grade(self, _):
                return grades

        yield Wrong()

    with pytest.raises(GituneError, match=r"mine: (.* is no grade|0 grades for 1 answers)"):
        scored([("a", "a")], ["mine"], custom=[own(command="x")], open_grader=wrong)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"metrics": ["exact_match", "mine"]}, "unknown metric 'mine'"),
        ({"custom_metrics": [{"name": "bleu", "contains": "x"}]}, "'bleu' has the name of another metric"),
        ({"custom_metrics": [{"name": "x", "contains": "x"}] * 2}, "'x' has the name of another metric"),
        ({"metrics": ["exact_match", "consistency"]}, "consistency compares several answers"),
        ({"custom_metrics": [{"name": "x", "regex": "("}]}, "is no regular expression"),
        ({"custom_metrics": [{"name": "x", "regex": "(?m)^x", "ignore_case": True}]}, None),
        ({"metrics": ["exact_match", "consistency"], "generation": {"samples": 2}}, None),
    ],
)
def test_what_could_never_be_measured_is_refused_before_training(values, message):
    evaluation = Evaluation.model_validate({**SPEC["evaluation"], **values})
    if message is None:
        validate_measurable(evaluation, Location)
        return
    with pytest.raises(GituneError, match=message):
        validate_measurable(evaluation, Location)
