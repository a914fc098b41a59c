"""Bounds of graded rows, of metrics of all rows, and of rows in clusters: against scipy, closed forms and simulation."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap
from scipy.stats import t as student
from scoring import macro_f1, scored

from runner.errors import GituneError
from runner.evaluation.compare import compare
from runner.evaluation.intervals import interval
from runner.evaluation.resampling import MANY_ROWS, mean_bounds
from runner.evaluation.scores import Scores, SubjectScores
from runner.evaluation.statistics import bonett_price, clustered_mean


def graded(values, metric="similarity"):
    values = [float(value) for value in values]
    return SubjectScores(n=len(values), values={metric: sum(values) / len(values)}, rows={metric: values})


def labelled(pairs):
    return SubjectScores(n=len(pairs), values={"macro_f1": macro_f1(pairs)}, labels=pairs)


@pytest.mark.parametrize("seed", range(4))
def test_graded_rows_are_bounded_as_scipy_bounds_them(seed):
    """scipy.stats.bootstrap(method="BCa") of the same rows and the two that are added."""
    rng = np.random.default_rng(seed)
    values = rng.beta(0.5, 0.8, 60) - rng.beta(0.5, 0.5, 60)
    low, high = mean_bounds(values.tolist(), (-1.0, 1.0), 0.90)
    rows = np.array([*values, -1.0, 1.0])
    found = bootstrap((rows,), np.mean, confidence_level=0.90, n_resamples=20_000, method="BCa", rng=1)
    assert (low, high) == pytest.approx(tuple(found.confidence_interval), abs=0.006)


def test_many_graded_rows_are_bounded_by_student():
    values = np.random.default_rng(1).normal(0.1, 0.2, MANY_ROWS + 1).tolist()
    rows = np.array([*values, -1.0, 1.0])
    half = student.ppf(0.95, len(rows) - 1) * rows.std(ddof=1) / len(rows) ** 0.5
    assert mean_bounds(values, (-1.0, 1.0), 0.90) == pytest.approx((rows.mean() - half, rows.mean() + half))


@given(st.integers(2, 200), st.data())
def test_clusters_of_one_row_are_bonett_and_price_with_student(n, data):
    fixed = data.draw(st.integers(0, n))
    broken = data.draw(st.integers(0, n - fixed))
    gains = [1.0] * fixed + [-1.0] * broken + [0.0] * (n - fixed - broken)
    low, high = clustered_mean(gains, range(n), (-1.0, 1.0), 0.90)
    expected = bonett_price(fixed, broken, n, 0.90)
    middle = (fixed - broken) / (n + 2)
    wider = student.ppf(0.95, n - 1) / 1.6448536269514722
    assert (low, high) == pytest.approx(
        (
            max(middle - wider * (middle - _low(fixed, broken, n)), -1),
            min(middle + wider * (_high(fixed, broken, n) - middle), 1),
        )
    )
    assert low <= expected[0] + 1e-9
    assert high >= expected[1] - 1e-9


def _half(fixed, broken, n):
    won, lost = (fixed + 1) / (n + 2), (broken + 1) / (n + 2)
    return 1.6448536269514722 * ((won + lost - (won - lost) ** 2) / (n + 2)) ** 0.5


def _low(fixed, broken, n):
    return (fixed - broken) / (n + 2) - _half(fixed, broken, n)


def _high(fixed, broken, n):
    return (fixed - broken) / (n + 2) + _half(fixed, broken, n)


def test_rows_that_repeat_in_clusters_are_no_more_evidence():
    """Ten copies of each of 20 rows bound a gain no tighter than the 20 rows alone, but for the rows that are added."""
    rng = random.Random(1)
    gains = [rng.choice([1.0, 1.0, 0.0, 0.0, -1.0]) for _ in range(20)]
    alone = clustered_mean(gains, range(20), (-1.0, 1.0), 0.90)
    copies = clustered_mean(
        [gain for gain in gains for _ in range(10)], [c for c in range(20) for _ in range(10)], (-1.0, 1.0), 0.90
    )
    assert copies == pytest.approx(alone)


def test_one_cluster_is_no_evidence():
    one = graded([1.0] * 8, "exact_match")
    with pytest.raises(GituneError, match="all 8 rows are of one group"):
        compare("exact_match", one, "base", graded([0.0] * 8, "exact_match"), groups=["a"] * 8)


def test_graded_and_corpus_gains_swap_their_signs():
    rng = np.random.default_rng(2)
    a, b = graded(rng.beta(2, 1, 50)), graded(rng.beta(1, 1, 50))
    one, other = compare("similarity", a, "base", b), compare("similarity", b, "base", a)
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low), abs=0.01)


def test_models_that_agree_on_every_graded_row_do_not_look_certain():
    same = graded([0.25, 0.5, 0.75] * 10)
    gain = compare("similarity", same, "base", same)
    assert gain.low < -0.02 < 0.02 < gain.high


def test_rows_without_a_value_are_left_out_and_counted():
    tuned = SubjectScores(n=3, values={"m": 0.5}, rows={"m": [1.0, None, 0.0, 1.0]}, unanswered=[1])
    base = SubjectScores(n=4, values={"m": 0.5}, rows={"m": [1.0, 1.0, 0.0, None]})
    gain = compare("m", tuned, "base", base)
    assert (gain.n, gain.left_out, gain.difference) == (2, 2, 0.0)


def test_what_is_measured_once_has_no_interval():
    fast, slow = (SubjectScores(n=5, values={"latency_p50": seconds}) for seconds in (0.5, 1.5))
    gain = compare("latency_p50", fast, "base", slow)
    assert (gain.difference, gain.low, gain.high, gain.measured) == (-1.0, -1.0, -1.0, True)


# Worlds with a true gain of 0: how graded gains are spread, and how clustered rows hang together.
WORLDS = {
    "normal": lambda rng, n: np.clip(rng.normal(0, 0.2, n), -1, 1),
    "beta": lambda rng, n: rng.beta(0.5, 0.5, n) - rng.beta(0.5, 0.5, n),
    "rare loss": lambda rng, n: np.where(rng.random(n) < 0.05, -0.76, 0.04),
    "rare win": lambda rng, n: np.where(rng.random(n) < 0.05, 0.76, -0.04),
    "few lose much": lambda rng, n: np.where(rng.random(n) < 0.2, rng.choice([-1, 0.25], n, p=[0.2, 0.8]), 0),
    "few win much": lambda rng, n: np.where(rng.random(n) < 0.2, rng.choice([1, -0.25], n, p=[0.2, 0.8]), 0),
    "thirds": lambda rng, n: (rng.integers(0, 4, n) - rng.integers(0, 4, n)) / 3 * (rng.random(n) < 0.3),
}


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 40, 100, 200])
@pytest.mark.parametrize("world", WORLDS)
def test_graded_gains_of_nothing_are_shown_at_most_one_time_in_twenty(world, n):
    rng, tries = np.random.default_rng(3), 600
    found = sum(
        mean_bounds(WORLDS[world](rng, n).tolist(), (-1.0, 1.0), 0.90, draws=500)[0] > 1e-9 for _ in range(tries)
    )
    # 5 %, and what chance adds to so many tries: more would be seen once in 100 even at exactly 5 %.
    assert found <= 0.05 * tries + 2.33 * (0.05 * 0.95 * tries) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [8, 15, 40])
@pytest.mark.parametrize("largest", [3, 10])
@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
def test_clustered_gains_of_nothing_are_shown_at_most_one_time_in_twenty(clusters, largest, alike):
    rng, tries = np.random.default_rng(4), 2000
    found = 0
    for _ in range(tries):
        sizes = rng.integers(1, largest + 1, clusters)
        owners = np.repeat(np.arange(clusters), sizes)
        shared = rng.choice([1.0, -1.0, 0.0], clusters, p=[0.15, 0.15, 0.7])[owners]
        own = rng.choice([1.0, -1.0, 0.0], len(owners), p=[0.15, 0.15, 0.7])
        gains = np.where(rng.random(len(owners)) < alike, shared, own)
        found += clustered_mean(gains.tolist(), owners.tolist(), (-1.0, 1.0), 0.90)[0] > 1e-9
    assert found <= 0.05 * tries + 2.33 * (0.05 * 0.95 * tries) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("n", [40, 100])
def test_gains_of_nothing_in_macro_f1_are_shown_at_most_one_time_in_twenty(n):
    rng, tries, found = random.Random(5), 400, 0
    for _ in range(tries):
        references = [rng.choice("abcd") for _ in range(n)]
        models = [
            labelled([(one, one if rng.random() < 0.7 else rng.choice([*"abcd", None])) for one in references])
            for _ in range(2)
        ]
        found += compare("macro_f1", models[0], "base", models[1], draws=500).low > 1e-9
    assert found <= 0.05 * tries + 2.33 * (0.05 * 0.95 * tries) ** 0.5


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["bleu", "chrf"])
@pytest.mark.parametrize("n", [40, 100])
def test_gains_of_nothing_in_metrics_of_all_text_are_shown_at_most_one_time_in_twenty(metric, n):
    rng, tries, found = random.Random(6), 300, 0
    words = [f"{a}{b}{c}" for a in "bdkm" for b in "aeo" for c in "lnrs"]

    def corrupted(text):
        # Some rows are hard for one model and easy for the other, as real ones are.
        rate = rng.choice([0.05, 0.3, 0.6])
        return " ".join(rng.choice(words) if rng.random() < rate else word for word in text.split())

    for _ in range(tries):
        references = [" ".join(rng.choices(words, k=rng.randint(4, 14))) for _ in range(n)]
        models = [scored([(text, corrupted(text)) for text in references], (metric,)) for _ in range(2)]
        found += compare(metric, models[0], "base", models[1], draws=500).low > 1e-9
    assert found <= 0.05 * tries + 2.33 * (0.05 * 0.95 * tries) ** 0.5


def test_intervals_of_values_surround_them():
    rng = random.Random(6)
    pairs = [(ref := rng.choice("ab"), ref if rng.random() < 0.8 else None) for _ in range(80)]
    right = [float(a == b) for a, b in pairs]
    subject = labelled(pairs).model_copy(
        update={
            "rows": {"exact_match": right, "similarity": [rng.random() for _ in right], "answer_tokens": [7.0] * 80},
            "values": {
                "exact_match": sum(right) / 80,
                "similarity": 0.5,
                "answer_tokens": 7.0,
                "macro_f1": 0.88,
                "latency_p50": 1.0,
            },
        }
    )
    scores = Scores(rows=[str(at) for at in range(80)], subjects={"tuned": subject})
    low, high, method = interval("exact_match", scores, "tuned")
    assert low < sum(right) / 80 < high
    assert method == "Clopper-Pearson 95 % interval"
    for metric in ("similarity", "macro_f1"):
        low, high, method = interval(metric, scores, "tuned")
        assert 0 < low < high < 1
        assert "bootstrap" in method
    assert interval("answer_tokens", scores, "tuned") == (7.0, 7.0, "every row has this value")
    assert interval("latency_p50", scores, "tuned") is None
    grouped = scores.model_copy(update={"groups": [str(at // 4) for at in range(80)]})
    assert "clusters" in interval("exact_match", grouped, "tuned")[2]


def test_many_rows_are_bounded_without_resampling_and_alike():
    rng = random.Random(7)
    pairs = [
        (ref := rng.choice("abc"), ref if rng.random() < 0.8 else rng.choice("abc")) for _ in range(MANY_ROWS + 500)
    ]
    subject = labelled(pairs)
    scores = Scores(rows=[str(at) for at in range(len(pairs))], subjects={"tuned": subject})
    low, high, method = interval("macro_f1", scores, "tuned")
    assert "jackknife" in method
    few = Scores(rows=scores.rows[:MANY_ROWS], subjects={"tuned": labelled(pairs[:MANY_ROWS])})
    few_low, few_high, _ = interval("macro_f1", few, "tuned")
    assert high - low == pytest.approx((few_high - few_low) * (MANY_ROWS / len(pairs)) ** 0.5, rel=0.3)
    assert low < subject.values["macro_f1"] < high
