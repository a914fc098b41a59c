"""What a gate can see with so many test rows: exact, by counting every outcome. Light, so that a plan may tell.

Rows are right or wrong; `broken` is the share that a better model breaks all the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from runner.evaluation.compare import EPSILON, LEVEL
from runner.evaluation.paired import described
from runner.evaluation.statistics import bonett_price
from runner.spec.evaluation import Gate

BROKEN = 0.05
"""Share of rows that a better model breaks, as usual after fine-tuning."""

POWER = 0.8
"""Share of runs in which a gain that is there should be seen."""

_TAILS = 6.0
"""Standard deviations beyond which outcomes do not count: less than one in a million."""

_MOST_ROWS = 5_000
"""Rows above which nobody asks: even one point is seen."""


def passes_difference(gate: Gate, margin: float, fixed: float, broken: float, n: int) -> bool:
    """Whether a gate on a difference passes with so many rows fixed and broken.

    Args:
        gate: `beats` or `not_worse_than`.
        margin: what it asks for, as a difference; negative for a loss that is tolerated.
        fixed: rows that only the tuned model has right.
        broken: rows that only the rival has right.
        n: all rows.
    """
    low, _ = bonett_price(fixed, broken, n, LEVEL)
    if not gate.beats:
        return low > margin + EPSILON
    return (fixed - broken) / n >= margin - EPSILON and low > (margin if gate.proof else 0.0) + EPSILON


def power(gate: Gate, margin: float, n: int, gain: float, broken: float = BROKEN) -> float:
    """Return the share of runs in which a gate passes a model with a true gain.

    Args:
        gate: `beats` or `not_worse_than`.
        margin: what it asks for, as a difference.
        n: test rows.
        gain: true gain; with `broken`, what share of rows is fixed.
        broken: share of rows that the model breaks.
    """
    fixed = gain + broken
    if fixed < 0 or fixed + broken > 1:
        return 0.0
    total = 0.0
    for lost in _likely(n, broken):
        rest, share = n - lost, fixed / (1 - broken) if broken < 1 else 0.0
        won = _fewest(rest, lambda count, lost=lost: passes_difference(gate, margin, count, lost, n))  # type: ignore[misc]
        total += _mass(n, lost, broken) * sum(_mass(rest, k, share) for k in _likely(rest, share) if k >= won)
    return min(total, 1.0)


def smallest_gain(gate: Gate, margin: float, n: int) -> float | None:
    """Return the smallest true gain, in whole points, that a gate passes in four of five runs; None above 90 points.

    Args:
        gate: `beats` or `not_worse_than`.
        margin: what it asks for, as a difference.
        n: test rows.
    """
    low, high = -round(100 * BROKEN), 90
    if power(gate, margin, n, high / 100) < POWER:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power(gate, margin, n, middle / 100) >= POWER else (middle, high)
    return high / 100


def sight(gate: Gate, margin: float | None, n: int) -> str | None:
    """Say in a line what a gate can see with so many test rows; None where that depends on more than rows.

    Args:
        gate: the gate.
        margin: what it asks for as a difference; None: not known, since it depends on what the rival scores.
        n: test rows.
    """
    if described(gate.metric).kind != "binary" or gate.rival is None or gate.slice or margin is None or n > _MOST_ROWS:
        return None
    found = smallest_gain(gate, margin, n)
    if found is None:
        return f"with {n} test rows no gain is large enough to be seen: more are needed"
    if gate.beats:
        return f"with {n} test rows it can only see gains of {round(100 * found)} points or more (in 4 of 5 runs)"
    if found > 0:
        points = round(100 * found)
        return f"with {n} test rows it passes in 4 of 5 runs only what is {points} points better or more"
    return None


def _likely(n: int, share: float) -> range:
    """Return the counts that occur at all."""
    share = min(max(share, 0.0), 1.0)
    spread = _TAILS * math.sqrt(n * share * (1 - share)) + _TAILS
    return range(max(math.floor(n * share - spread), 0), min(math.ceil(n * share + spread), n) + 1)


def _mass(n: int, count: int, share: float) -> float:
    if share <= 0 or share >= 1:
        return float(count == (n if share >= 1 else 0))
    ways = math.lgamma(n + 1) - math.lgamma(count + 1) - math.lgamma(n - count + 1)
    return math.exp(ways + count * math.log(share) + (n - count) * math.log(1 - share))


def _fewest(most: int, passes: Callable[[int], bool]) -> int:
    """Return the fewest fixed rows that pass, one more than there are where none do; more of them always pass too."""
    if not passes(most):
        return most + 1
    few, enough = -1, most
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if passes(middle) else (middle, enough)
    return enough
