"""Intervals and tests in closed form: how far a measured gain or rate may be from the true one.

`level` is that of a two-sided interval: with 0.90 its ends are one-sided 95 % bounds, which is what gates use.
Bonett and Price (2012, J. Educ. Behav. Stat. 37:479) was chosen over the paired t, Tango's score and the bootstrap:
its one-sided error stayed below 5 % in all cells tried, and two models that agree on every row do not look certain.
What resamples is in `runner.evaluation.resampling`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import TypeVar

Test = TypeVar("Test")

MOST_ROWS = 1_000_000
"""More test rows than anyone would write."""

FAMILY_ERROR = 0.05
"""Chance that any of several tests rejects where nothing differs."""


def bonett_price(fixed: float, broken: float, n: int, level: float) -> tuple[float, float]:
    """Return the interval of a paired gain in a right-or-wrong metric.

    Args:
        fixed: rows that only the tuned model has right.
        broken: rows that only the rival has right.
        n: all rows.
        level: two-sided confidence.
    """
    won, lost = (fixed + 1) / (n + 2), (broken + 1) / (n + 2)
    gain = won - lost
    half = _z(level) * math.sqrt((won + lost - gain**2) / (n + 2))
    return max(gain - half, -1.0), min(gain + half, 1.0)


def _z(level: float) -> float:
    return NormalDist().inv_cdf((1 + level) / 2)


def mid_p_mcnemar(fixed: int, broken: int) -> float:
    """Return the two-sided mid-p value of McNemar's test: how often equal models differ this much or more."""
    if fixed == broken:
        return 1.0
    changed, fewer = fixed + broken, min(fixed, broken)
    # Whole numbers: exact for any count, and no library to load.
    tail = 2 * sum(math.comb(changed, k) for k in range(fewer)) + math.comb(changed, fewer)
    return tail / (1 << changed)


def clopper_pearson(right: int, n: int, level: float) -> tuple[float, float]:
    """Return the exact interval of a rate."""
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = 0.0 if right == 0 else float(betaincinv(right, n - right + 1, tail))
    high = 1.0 if right == n else float(betaincinv(right + 1, n - right, 1 - tail))
    return low, high


def clustered_mean(
    values: Sequence[float], clusters: Sequence[int], extremes: tuple[float, float], level: float
) -> tuple[float, float]:
    """Return the interval of a mean over rows that come in clusters, which alone are independent.

    It is Bonett and Price's with clusters in the place of rows: one whose rows all have the lowest value and one whose
    rows all have the highest are added, as large as the mean cluster, and the variance is that of the ratio of sums
    over clusters. With one row in each cluster it is theirs, but for Student's t with a degree less than clusters.

    Args:
        values: one for each row.
        clusters: number of each row's cluster, from 0 on.
        extremes: lowest and highest value that a row may have.
        level: two-sided confidence.

    Raises:
        ValueError: with fewer than two clusters.
    """
    from scipy.special import stdtrit

    count = max(clusters) + 1
    if count < 2:  # noqa: PLR2004 - one cluster says nothing of the next
        raise ValueError("an interval needs at least two clusters")
    size = len(values) / count
    sums, sizes = [0.0] * count, [0] * count
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] += value
        sizes[cluster] += 1
    parts = [*zip(sums, sizes, strict=True), *((extreme * size, size) for extreme in extremes)]
    whole = len(values) + 2 * size
    mean = sum(total for total, _ in parts) / whole
    spread = math.sqrt(sum((total - mean * rows) ** 2 for total, rows in parts)) / whole
    half = float(stdtrit(count - 1, (1 + level) / 2)) * spread
    return max(mean - half, extremes[0]), min(mean + half, extremes[1])


def holm(tests: Sequence[Test], rejects: Callable[[Test, float], bool]) -> list[bool]:
    """Return which of several tests reject by Holm's method (1979, Scand. J. Stat. 6:65): one wrongly in 20 times.

    Args:
        tests: all tests that were made.
        rejects: whether a test rejects with some chance of error; never with less of it alone.
    """
    marked = [False] * len(tests)
    while left := [at for at, done in enumerate(marked) if not done]:
        found = [at for at in left if rejects(tests[at], FAMILY_ERROR / len(left))]
        if not found:
            break
        for at in found:
            marked[at] = True
    return marked


def fewest_rows(n: int, decides: Callable[[int], bool]) -> int | None:
    """Return the fewest rows above `n` that decide; None when even `MOST_ROWS` do not.

    Args:
        n: rows now, which do not decide.
        decides: whether so many rows would; what it says of some rows must hold for more.
    """
    if not decides(MOST_ROWS):
        return None
    few, enough = n, MOST_ROWS
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if decides(middle) else (middle, enough)
    return enough
