"""Confusions: every row counted once, what is no label in a column of its own."""

from runner.evaluation.scores import Scores, SubjectScores
from runner.report.confusion import MOST_LABELS, confusions


def scores(labels, **more):
    found = SubjectScores(n=len(labels), values={}, labels=labels, **more)
    return Scores(subjects={"base": found, "tuned": found})


def test_matrix_and_pairs():
    labels = [('"a"', '"a"'), ('"a"', '"b"'), ('"a"', '"b"'), ('"b"', None), ('"b"', '"other"'), ('"b"', '"a"')]
    base, _ = confusions(scores([*labels, ('"b"', '"b"')], unanswered=[6]))
    assert base.labels == ["a", "b"]
    assert base.matrix == [[1, 2, 0], [1, 0, 2]]
    assert [(pair.expected, pair.answered, pair.n) for pair in base.pairs] == [
        ("a", "b", 2),
        ("b", None, 2),
        ("b", "a", 1),
    ]


def test_labels_are_shown_as_people_write_them():
    found, _ = confusions(scores([("plain", "7"), ("7", "7"), ('["x"]', "plain")]))
    assert found.labels == ["7", '["x"]', "plain"]


def test_texts_are_no_labels():
    assert not list(confusions(scores([(f"text {at}", "x") for at in range(MOST_LABELS + 1)])))
    assert not list(confusions(scores([("one", "one")])))
    assert not list(confusions(scores([])))
