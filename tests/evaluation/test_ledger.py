from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import GituneError
from runner.evaluation.ledger import right_by, status_of
from runner.evaluation.scores import SubjectScores

ROWS = [
    ([], "unanswered"),
    ([True], "unanswered"),
    ([None, True, None], "unanswered"),
    ([False, True], "fixed"),
    ([True, False], "broken"),
    ([True, True, None], "both_right"),
    ([False, None, False], "both_wrong"),
    ([True, False, True], "flapping"),
    ([False, None, True, False], "flapping"),
    ([False, False, True, True], "fixed"),
]


@pytest.mark.parametrize(("results", "status"), ROWS)
def test_status(results, status):
    assert status_of(results) == status


@given(st.lists(st.sampled_from([True, False, None]), max_size=8))
def test_what_was_not_asked_says_nothing(results):
    assert status_of(results) == status_of([result for result in results if result is not None])


@given(st.lists(st.booleans(), min_size=2, max_size=8))
def test_the_way_back_is_the_opposite(results):
    mirrored = {"fixed": "broken", "broken": "fixed"}
    forth, back = status_of(results), status_of(results[::-1])
    assert back == mirrored.get(forth, forth)


def test_right_or_wrong_comes_from_the_metric_else_from_exact_match_else_from_labels():
    exact, graded = [1.0, 0.0, None], [0.5, 0.2, None]
    scores = SubjectScores(n=2, values={}, rows={"exact_match": exact, "rouge_l": graded, "regex": [0.0, 1.0, 1.0]})
    assert right_by("regex", "abc", scores) == ("regex", {"a": False, "b": True, "c": True})
    assert right_by("rouge_l", "abc", scores) == ("exact_match", {"a": True, "b": False, "c": None})
    labels = [("x", "x"), ("x", None), ("y", None)]
    labelled = SubjectScores(n=2, values={}, rows={"rouge_l": graded}, labels=labels, unanswered=[2])
    assert right_by("macro_f1", "abc", labelled) == ("label", {"a": True, "b": False, "c": None})
    with pytest.raises(GituneError, match="does not say of a row"):
        right_by("rouge_l", "abc", SubjectScores(n=2, values={}, rows={"rouge_l": graded}))
