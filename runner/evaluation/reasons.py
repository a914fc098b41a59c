"""Why a gate decided as it did, in plain words, and what would change it."""

from __future__ import annotations

import math
from collections.abc import Callable

from runner.evaluation.compare import EPSILON, LEVEL, Gain
from runner.evaluation.statistics import MOST_ROWS, bonett_price, fewest_rows
from runner.evaluation.words import percent, points
from runner.spec.models import Gate

FEW_ROWS = 30
"""Below this an interval is unreliable."""


def beats_words(outcome: str, gain: Gain, margin: float) -> str:
    """Explain a `beats` gate."""
    asked = f"{points(margin)} points asked" if margin else "any gain asked"
    head = f"{points(gain.difference)} points measured, {asked}{_changed(gain)}"
    if outcome == "PASS":
        tail = f"the true gain is more than {points(gain.low)} with 95 % confidence"
    elif outcome == "FAIL":
        tail = f"more than {points(gain.high)} is ruled out with 95 % confidence; {_rows_short(gain, margin)}"
    elif gain.difference < margin - EPSILON:
        tail = (
            f"up to {points(gain.high)} is possible; a better model is needed, "
            f"or{_about(gain, _high_below(margin))} with the same result to call it a FAIL"
        )
    elif gain.difference > EPSILON:
        tail = (
            f"enough, but it may be chance (lower bound {points(gain.low)});"
            f"{_about(gain, _low_above(0.0))} with the same result would show a gain"
        )
    else:
        tail = f"no gain was measured (bounds {_bounds(gain)}); only a better model passes"
    return f"{head}: {tail}.{_few(gain.n)}"


def not_worse_words(outcome: str, gain: Gain, margin: float) -> str:
    """Explain a `not_worse_than` gate."""
    allowed = f"a loss of {points(margin).lstrip('+')} points or more" if margin else "a loss"
    head = f"{points(gain.difference)} points measured{_changed(gain)}"
    if outcome == "PASS":
        tail = f"{allowed} is ruled out with 95 % confidence (lower bound {points(gain.low)})"
    elif outcome == "FAIL":
        tail = f"{allowed} is certain at 95 % (upper bound {points(gain.high)}); only a better model passes"
    elif gain.difference > -margin + EPSILON:
        tail = (
            f"{allowed} is not ruled out (lower bound {points(gain.low)});"
            f"{_about(gain, _low_above(-margin))} with the same result would rule it out"
        )
    elif gain.difference < -margin - EPSILON:
        tail = (
            f"more than allowed, but it may be chance (bounds {_bounds(gain)}); a better model is needed, "
            f"or{_about(gain, _high_below(-margin))} with the same result to call it a FAIL"
        )
    else:
        tail = f"{allowed} is not ruled out (bounds {_bounds(gain)}); a better model or a wider margin is needed"
    return f"{head}: {tail}.{_few(gain.n)}"


def threshold_words(outcome: str, gate: Gate, value: float, bound: float | None, n: int) -> str:
    """Explain an `at_least` or `at_most` gate, which the measured value decides; the bound is only told."""
    if bound is None:
        return f"{percent(value)} measured.{_few(n)}"
    right = round(value * n)
    if gate.at_least is not None:
        sure, limit = "at least", math.ceil(gate.at_least * n - EPSILON)
    else:
        sure, limit = "at most", math.floor((gate.at_most or 0.0) * n + EPSILON)
    change = "" if outcome == "PASS" else f", {limit} pass the gate"
    return f"{right} of {n} rows{change}; the true rate is {sure} {percent(bound)} with 95 % confidence.{_few(n)}"


def _changed(gain: Gain) -> str:
    if gain.changed is None:
        return ""
    fixed, broken = gain.changed
    return f" ({fixed} fixed, {broken} broken of {gain.n} rows)"


def _bounds(gain: Gain) -> str:
    return f"{points(gain.low)} and {points(gain.high)}"


def _rows_short(gain: Gain, margin: float) -> str:
    if gain.changed is None:
        return "only a better model passes"
    short = math.ceil((margin - gain.difference) * gain.n - EPSILON)
    return f"only a better model passes, with at least {short} more of {gain.n} rows right"


def _about(gain: Gain, settled: Callable[[float, float], bool]) -> str:
    """Say how many rows would settle it, at the observed effect."""
    needed = fewest_rows(gain.n, lambda rows: settled(*_bounds_at(gain, rows)))
    if needed is None:
        return f" more than {MOST_ROWS:,} rows (now {gain.n})"
    # Two digits: the estimate is no better than that.
    unit = 10 ** max(len(str(needed)) - 2, 0)
    return f" about {math.ceil(needed / unit) * unit:,} rows (now {gain.n})"


def _bounds_at(gain: Gain, rows: int) -> tuple[float, float]:
    """Return what the bounds would be with so many rows of the same kind."""
    if gain.changed is None:
        shrunk = math.sqrt(gain.n / rows)
        middle = gain.difference
        return middle - (middle - gain.low) * shrunk, middle + (gain.high - middle) * shrunk
    fixed, broken = (count * rows / gain.n for count in gain.changed)
    return bonett_price(fixed, broken, rows, LEVEL)


def _low_above(line: float) -> Callable[[float, float], bool]:
    return lambda low, _: low > line + EPSILON


def _high_below(line: float) -> Callable[[float, float], bool]:
    return lambda _, high: high < line - EPSILON


def _few(n: int) -> str:
    return f" Only {n} rows: below {FEW_ROWS} such bounds are unreliable." if n < FEW_ROWS else ""
