"""Intervals and tests for few rows: how far a measured gain or rate may be from the true one.

`level` is that of a two-sided interval: with 0.90 its ends are one-sided 95 % bounds, which is what gates use.
Bonett and Price (2012, J. Educ. Behav. Stat. 37:479) was chosen over the paired t, Tango's score and the bootstrap:
its one-sided error stayed below 5 % in all cells tried, and two models that agree on every row do not look certain.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

SEED = 20120524
"""Seed of every resampling: the same scores always get the same verdict."""

MOST_ROWS = 1_000_000
"""More test rows than anyone would write."""

_CHUNK = 1000
"""Resamples weighed at once; bounds memory."""


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


def macro_f1_gain(
    tuned: Sequence[tuple[str, str | None]],
    rival: Sequence[tuple[str, str | None]],
    level: float,
    resamples: int = 10_000,
) -> tuple[float, float]:
    """Return the paired bootstrap interval of a gain in macro F1: rows are drawn, both models scored again.

    Rows are drawn from the test rows and two more, one won and one lost, spread over the labels. It is the adjustment
    of Bonett and Price: without it two models that agree on every row would look certain to be equal.

    Args:
        tuned: reference and predicted label of each row.
        rival: the same rows, predicted by the rival.
        level: two-sided confidence.
        resamples: number of draws.
    """
    import numpy as np

    cells = _cells(tuned, rival)
    counts = np.array(list(cells.values()))
    kinds = np.array(list(cells), dtype=np.int64)
    labels = int(kinds[:, 0].max()) + 1
    rng = np.random.default_rng(SEED)
    gains = []
    for start in range(0, resamples, _CHUNK):
        size = min(_CHUNK, resamples - start)
        drawn = rng.multinomial(len(tuned) + 2, counts / counts.sum(), size=size).astype(np.float64)
        scores = [_macro_f1(drawn, kinds[:, 0], kinds[:, column], labels) for column in (1, 2)]
        gains.append(scores[0] - scores[1])
    low, high = np.quantile(np.concatenate(gains), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _cells(
    tuned: Sequence[tuple[str, str | None]], rival: Sequence[tuple[str, str | None]]
) -> dict[tuple[int, int, int], float]:
    """Count rows by (reference, tuned, rival); labels as numbers, the last one is "none of the labels"."""
    labels = sorted({reference for reference, _ in tuned})
    number = {label: at for at, label in enumerate(labels)}
    none = len(labels)

    def numbered(label: str | None) -> int:
        return none if label is None else number.get(label, none)

    cells = Counter(
        (number[reference], numbered(ours), numbered(theirs))
        for (reference, ours), (_, theirs) in zip(tuned, rival, strict=True)
    )
    weighed: dict[tuple[int, int, int], float] = {cell: float(count) for cell, count in cells.items()}
    for reference, count in Counter(number[reference] for reference, _ in tuned).items():
        for pseudo in ((reference, reference, none), (reference, none, reference)):
            weighed[pseudo] = weighed.get(pseudo, 0.0) + count / len(tuned)
    return dict(sorted(weighed.items()))


def _macro_f1(drawn: Array, reference: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], labels: int) -> Array:
    """Score every resample: mean F1 over the labels that were drawn."""
    import numpy as np

    each = np.arange(labels)
    is_reference = reference[:, None] == each
    is_predicted = predicted[:, None] == each
    wanted = drawn @ is_reference
    found = wanted + drawn @ is_predicted
    right = drawn @ (is_reference & is_predicted)
    f1 = np.divide(2 * right, found, out=np.zeros_like(right), where=wanted > 0)
    scores: Array = f1.sum(axis=1) / (wanted > 0).sum(axis=1)
    return scores


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
