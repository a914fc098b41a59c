"""Why a gate decided as it did, in plain words, and what would change it.

A gain is told as the improvement it is: of a metric that had better be low, a fall.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from runner.evaluation.compare import EPSILON, LEVEL, Gain
from runner.evaluation.intervals import Interval
from runner.evaluation.paired import described, lowest
from runner.evaluation.statistics import MOST_ROWS, bonett_price, clopper_pearson, fewest_rows
from runner.evaluation.words import amount, change, percent
from runner.spec.evaluation import Gate

FEW_ROWS = 30
"""Below this an interval is unreliable."""

SURE = 0.95
"""Probability that proves a relative margin."""


def beats_words(outcome: str, gate: Gate, gain: Gain, margin: float, chance: float | None) -> str:
    """Explain a `beats` gate from the improvement, the margin as a difference, and how likely a relative one is."""
    say = _Words(gate.metric)
    asked = f"{say.change(margin)} asked" if margin else "any gain asked"
    head = f"{say.change(gain.difference)} measured, {asked}{say.lower}{_changed(gain)}"
    low, high = say.change(gain.low), say.change(gain.high)
    line = margin if gate.proof and chance is None else 0.0
    likely = "" if chance is None else f"; the margin itself is reached with a probability of {percent(chance)}"
    if gain.measured:
        tail = "measured once, so that chance is not told from skill"
    elif outcome == "PASS":
        tail = f"the true gain is more than {low} with 95 % confidence{likely}"
    elif outcome == "FAIL":
        tail = f"more than {high} is ruled out with 95 % confidence; {_rows_short(gain, margin)}"
    elif gain.difference < margin - EPSILON:
        tail = (
            f"up to {high} is possible; a better model is needed, "
            f"or{_about(gain, _high_below(margin))} with the same result to call it a FAIL"
        )
    elif gain.difference > line + EPSILON and chance is not None and gain.low > EPSILON:
        tail = f"a gain is shown, but the margin is reached with a probability of {percent(chance)} only, not 95 %"
    elif gain.difference > line + EPSILON:
        shown = f"a gain of {say.change(line)}" if line else "a gain"
        tail = (
            f"enough, but it may be chance (lower bound {low});"
            f"{_about(gain, _low_above(line))} with the same result would show {shown}"
        )
    elif line:
        tail = f"exactly what is asked, which no number of rows can prove (lower bound {low}); a better model is needed"
    else:
        tail = f"no gain was measured (bounds {low} and {high}); only a better model passes"
    return f"{head}: {tail}.{_few(gain)}"


def not_worse_words(outcome: str, gate: Gate, gain: Gain, margin: float) -> str:
    """Explain a `not_worse_than` gate; `margin` is the loss that is tolerated."""
    say = _Words(gate.metric)
    allowed = f"a loss of {say.change(margin).lstrip('+')} or more" if margin else "a loss"
    head = f"{say.change(gain.difference)} measured{say.lower}{_changed(gain)}"
    low, high = say.change(gain.low), say.change(gain.high)
    if gain.measured:
        tolerated = f"a loss of up to {say.change(margin).lstrip('+')}" if margin else "no loss"
        tail = f"{tolerated} is tolerated; measured once, so that chance is not told from skill"
    elif outcome == "PASS":
        tail = f"{allowed} is ruled out with 95 % confidence (lower bound {low})"
    elif outcome == "FAIL":
        tail = f"{allowed} is certain at 95 % (upper bound {high}); only a better model passes"
    elif gain.difference > -margin + EPSILON:
        tail = (
            f"{allowed} is not ruled out (lower bound {low});"
            f"{_about(gain, _low_above(-margin))} with the same result would rule it out"
        )
    elif gain.difference < -margin - EPSILON:
        tail = (
            f"more than allowed, but it may be chance (bounds {low} and {high}); a better model is needed, "
            f"or{_about(gain, _high_below(-margin))} with the same result to call it a FAIL"
        )
    else:
        tail = f"{allowed} is not ruled out (bounds {low} and {high}); a better model or a wider margin is needed"
    return f"{head}: {tail}.{_few(gain)}"


def threshold_words(outcome: str, gate: Gate, value: float, found: Interval | None, n: int) -> str:
    """Explain an `at_least` or `at_most` gate, which the measured value decides unless proof is asked for."""
    unit = described(gate.metric).unit
    if found is None:
        return f"{amount(value, unit)} measured, once and without an interval."
    at_least = gate.at_least is not None
    sure, bound = ("at least", found[0]) if at_least else ("at most", found[1])
    exact = found[2].startswith("Clopper-Pearson")
    head = f"{round(value * n)} of {n} rows" if exact else f"{amount(value, unit)} over {n} rows"
    if outcome != "PASS" and exact:
        head += f", {_enough(gate, n)}"
    few = f" Only {n} rows: below {FEW_ROWS} such bounds are unreliable." if n < FEW_ROWS else ""
    what = "the true rate" if exact else "the true value"
    return f"{head}; {what} is {sure} {amount(bound, unit)} with 95 % confidence.{few}"


def _enough(gate: Gate, n: int) -> str:
    """Say how many right rows would pass."""
    if gate.at_least is not None:
        counts, proves = range(math.ceil(gate.at_least * n - EPSILON), n + 1), _proves_at_least(gate.at_least, n)
    else:
        counts, proves = range(math.floor((gate.at_most or 0.0) * n + EPSILON), -1, -1), _proves_at_most(gate, n)
    if not gate.proof:
        return f"{counts[0]} pass the gate" if counts else "which no number of right rows passes"
    found = next((right for right in counts if proves(right)), None)
    if found is not None:
        return f"{found} prove it"
    return f"and not even {counts[-1]} would prove it: more rows are needed"


def _proves_at_least(threshold: float, n: int) -> Callable[[int], bool]:
    return lambda right: clopper_pearson(right, n, LEVEL)[0] >= threshold - EPSILON


def _proves_at_most(gate: Gate, n: int) -> Callable[[int], bool]:
    return lambda right: clopper_pearson(right, n, LEVEL)[1] <= (gate.at_most or 0.0) + EPSILON


class _Words:
    """How differences of one metric are said."""

    def __init__(self, metric: str) -> None:
        self._unit = described(metric).unit
        self.lower = ", less is better" if lowest(metric) else ""

    def change(self, difference: float) -> str:
        """Say an improvement."""
        return change(difference, self._unit)


def _changed(gain: Gain) -> str:
    if gain.changed is None:
        return ""
    fixed, broken = gain.changed
    return f" ({fixed} fixed, {broken} broken of {gain.n} rows)"


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
    unit = 10 ** max(len(str(needed - gain.n)) - 2, 0)
    more = math.ceil((needed - gain.n) / unit) * unit
    return f" about {more:,} more test rows (now {gain.n})"


def _bounds_at(gain: Gain, rows: int) -> tuple[float, float]:
    """Return what the bounds would be with so many rows of the same kind."""
    if gain.changed is None or gain.clusters is not None:
        shrunk = math.sqrt(gain.n / rows)
        middle = gain.difference
        return middle - (middle - gain.low) * shrunk, middle + (gain.high - middle) * shrunk
    fixed, broken = (count * rows / gain.n for count in gain.changed)
    return bonett_price(fixed, broken, rows, LEVEL)


def _low_above(line: float) -> Callable[[float, float], bool]:
    return lambda low, _: low > line + EPSILON


def _high_below(line: float) -> Callable[[float, float], bool]:
    return lambda _, high: high < line - EPSILON


def _few(gain: Gain) -> str:
    units = gain.n if gain.clusters is None else gain.clusters
    left = f" {gain.left_out} rows were left out: not answered by both, or not graded." if gain.left_out else ""
    if gain.measured or units >= FEW_ROWS:
        return left
    what = f"{units} rows" if gain.clusters is None else f"{units} groups of rows"
    return f"{left} Only {what}: below {FEW_ROWS} such bounds are unreliable."
