"""Every interval and test against an oracle: the closed form by hand, scipy, or brute force."""

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from scoring import macro_f1

from runner.evaluation.statistics import bonett_price, clopper_pearson, fewest_rows, macro_f1_gain, mid_p_mcnemar


@pytest.mark.parametrize(
    ("fixed", "broken", "n", "low", "high"),
    [
        # By hand with z = 1.6448536: (b+1)/(n+2) - (c+1)/(n+2) ± z sqrt((p + q - (p - q)²)/(n + 2)).
        (0, 0, 40, -0.0553851, 0.0553851),
        (21, 2, 100, 0.1115695, 0.2609795),
        (8, 2, 100, 0.0037890, 0.1138581),
        (10, 0, 10, 0.5708621, 1.0),
    ],
)
def test_bonett_price_is_the_closed_form(fixed, broken, n, low, high):
    assert bonett_price(fixed, broken, n, 0.90) == pytest.approx((low, high), abs=1e-6)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_swapping_the_models_negates_the_interval(fixed, broken, same):
    n = fixed + broken + same
    low, high = bonett_price(fixed, broken, n, 0.90)
    assert bonett_price(broken, fixed, n, 0.90) == pytest.approx((-high, -low))
    assert -1 <= low < high <= 1


def test_mid_p_mcnemar_against_every_outcome_of_fair_coins():
    for changed in range(1, 11):
        outcomes = [sum(flips) for flips in itertools.product((0, 1), repeat=changed)]
        for fixed in range(changed + 1):
            distance = abs(fixed - changed / 2)
            further = sum(abs(count - changed / 2) > distance for count in outcomes)
            as_far = sum(abs(count - changed / 2) == distance for count in outcomes)
            expected = (further + as_far / 2) / len(outcomes) if distance else 1.0
            assert mid_p_mcnemar(fixed, changed - fixed) == pytest.approx(expected)


def test_mid_p_mcnemar_of_no_change_and_of_many():
    assert mid_p_mcnemar(0, 0) == 1.0
    assert 0 <= mid_p_mcnemar(5000, 1000) < 1e-100


@pytest.mark.parametrize(("right", "n"), [(0, 10), (10, 10), (38, 40), (40, 40), (1, 3), (500, 1000)])
@pytest.mark.parametrize("level", [0.90, 0.95])
def test_clopper_pearson_is_scipys(right, n, level):
    expected = binomtest(right, n).proportion_ci(confidence_level=level, method="exact")
    assert clopper_pearson(right, n, level) == pytest.approx((expected.low, expected.high))


def test_forty_of_forty_proves_no_95_percent():
    assert clopper_pearson(40, 40, 0.90)[0] == pytest.approx(0.928, abs=5e-4)
    assert clopper_pearson(58, 58, 0.90)[0] < 0.95 <= clopper_pearson(59, 59, 0.90)[0]


@pytest.mark.parametrize(("n", "discordant"), [(40, 0.1), (40, 0.2), (100, 0.3), (200, 0.15)])
def test_beats_by_nothing_passes_equal_models_at_most_one_time_in_twenty(n, discordant):
    """Exact: every count of fixed and broken rows, weighed by its probability when neither model is better."""
    half = discordant / 2
    wrong = sum(
        math.exp(_log_multinomial(n, fixed, broken, half, half))
        for fixed in range(n + 1)
        for broken in range(n - fixed + 1)
        if fixed >= broken and bonett_price(fixed, broken, n, 0.90)[0] > 0
    )
    assert wrong <= 0.05


def _log_multinomial(n, fixed, broken, p, q):
    same = n - fixed - broken
    ways = math.lgamma(n + 1) - math.lgamma(fixed + 1) - math.lgamma(broken + 1) - math.lgamma(same + 1)
    return ways + fixed * math.log(p) + broken * math.log(q) + same * math.log(1 - p - q)


def labelled(n, share_right, seed):
    choose = random.Random(seed)
    labels = "abcd"
    references = [labels[i % 4] for i in range(n)]
    return [(ref, ref if choose.random() < share_right else choose.choice([*labels, None])) for ref in references]


def test_macro_f1_gain_surrounds_the_measured_gain_and_is_reproducible():
    tuned, rival = labelled(120, 0.9, seed=1), labelled(120, 0.5, seed=2)
    low, high = macro_f1_gain(tuned, rival, 0.90)
    assert 0 < low < macro_f1(tuned) - macro_f1(rival) < high
    assert macro_f1_gain(tuned, rival, 0.90) == (low, high)


def test_macro_f1_gain_swaps():
    tuned, rival = labelled(60, 0.8, seed=3), labelled(60, 0.6, seed=4)
    low, high = macro_f1_gain(tuned, rival, 0.90)
    swapped_low, swapped_high = macro_f1_gain(rival, tuned, 0.90)
    assert (-swapped_high, -swapped_low) == pytest.approx((low, high), abs=0.01)


def test_models_that_agree_everywhere_do_not_look_certain():
    same = labelled(40, 0.7, seed=5)
    low, high = macro_f1_gain(same, same, 0.90)
    assert low < -0.02 < 0.02 < high


def test_macro_f1_gain_of_one_label_is_like_the_rate():
    tuned = [("a", "a")] * 30 + [("a", None)] * 10
    rival = [("a", "a")] * 20 + [("a", None)] * 20
    low, high = macro_f1_gain(tuned, rival, 0.90)
    assert 0 < low < macro_f1(tuned) - macro_f1(rival) < high


def test_macro_f1_gain_rarely_finds_a_gain_between_equal_models():
    found = 0
    for seed in range(100):
        low, _ = macro_f1_gain(labelled(60, 0.7, seed), labelled(60, 0.7, seed + 1000), 0.90, resamples=1000)
        found += low > 0
    assert found <= 10  # 5 expected; 11 or more would happen in 1 of 90 runs, and the seeds are fixed


@pytest.mark.parametrize("line", [11, 12, 999, 1_000_000])
def test_fewest_rows_finds_the_line(line):
    assert fewest_rows(10, lambda rows: rows >= line) == line


def test_fewest_rows_gives_up():
    assert fewest_rows(10, lambda rows: rows > 1_000_000) is None
