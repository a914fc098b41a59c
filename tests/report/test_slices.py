"""Slices: means per value, marked only where it is more than chance for so many of them."""

import random

from hypothesis import given
from hypothesis import strategies as st

from runner.evaluation.statistics import holm
from runner.report.rows import Judged
from runner.report.slices import slice_values


def mark(odds):
    return holm(odds, lambda p, error: p <= error)


def test_holm_by_its_definition():
    # The smallest against 5 % / 4, the next against 5 % / 3 …, and after the first miss nothing.
    assert mark([0.04, 0.012, 0.6, 0.016]) == [False, True, False, True]
    assert mark([0.013, 0.001, 0.6, 0.02]) == [True, True, False, True]
    assert mark([0.02, 0.02, 0.02]) == [False, False, False]
    assert mark([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_marks_no_more_than_uncorrected_tests_and_no_less_than_bonferroni(odds):
    for p, marked in zip(odds, mark(odds), strict=True):
        assert marked <= (p <= 0.05)
        assert marked >= (p <= 0.05 / len(odds))


def test_values_of_a_slice():
    base = [0.0] * 20 + [1.0] * 20 + [0.0, 1.0, None]
    tuned = [1.0] * 20 + [1.0] * 20 + [1.0, 1.0, 1.0]
    values = ["de"] * 20 + ["en"] * 20 + ["fr", "fr", None]
    judged = Judged("exact_match", {"base": base, "tuned": tuned, "champion": tuned})
    german, english, french = slice_values({"language": values}, judged)
    assert (german.value, german.n, german.gain, german.marked, german.small) == ("de", 20, 1.0, True, False)
    assert german.subjects == {"base": 0.0, "tuned": 1.0, "champion": 1.0}
    assert (english.gain, english.marked) == (0.0, False)
    # Few rows are told and never marked; the one without an answer, and so without rows, is not told.
    assert (french.n, french.gain, french.marked, french.small) == (2, 0.5, False, True)


def test_identical_models_are_hardly_ever_marked():
    """Ten slices of 20 rows: uncorrected tests mark something in 8 % of pairs of equal models."""
    seeded, marked = random.Random(20120524), 0
    values = [str(at // 20) for at in range(200)]
    for _ in range(400):
        base, tuned = ([float(seeded.random() < 0.7) for _ in range(200)] for _ in range(2))
        marked += any(part.marked for part in slice_values({"x": values}, Judged("m", {"base": base, "tuned": tuned})))
    assert marked <= 0.05 * 400
