"""What gates decided: the shape that records and reports keep."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from runner.registry.facts import Fact

Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE"]


class SliceVerdict(Fact):
    """What a gate found in the rows of one value of a slice."""

    slice: str
    """The value, such as `fr` of `language`."""
    outcome: Outcome | None
    """What was decided; null when it has too few rows to be judged."""
    n: int
    """Its rows."""
    value: float | None = None
    """The tuned model's value there."""
    rival_value: float | None = None
    """The rival's value there."""
    difference: float | None = None
    """The tuned model's value less the rival's."""
    low: float | None = None
    """One-sided 95 % lower bound, of this slice alone."""
    high: float | None = None
    """One-sided 95 % upper bound."""


class Verdict(Fact):
    """What one gate decided, and why."""

    gate: str
    """The condition in words, such as `exact_match beats base by 10 points`."""
    metric: str
    """Metric that was compared."""
    outcome: Outcome
    """What was decided."""
    value: float
    """The tuned model's value."""
    n: int
    """Test rows that count."""
    method: str
    """How the bounds were computed."""
    reason: str
    """Why, in words, and what would change it."""
    unit: str = "share"
    """Unit of the metric: `share`, `seconds`, `tokens`, `usd` or `loss`."""
    rival: str | None = None
    """Model it was compared with: `base`, `champion`, `version:1.2.0`; None for a plain threshold."""
    rival_value: float | None = None
    """The rival's value."""
    difference: float | None = None
    """The tuned model's value less the rival's."""
    low: float | None = None
    """One-sided 95 % lower bound of the difference; of the value for a plain threshold."""
    high: float | None = None
    """One-sided 95 % upper bound."""
    threshold: float | None = None
    """What the gate asks: of the difference, or of the value for a plain threshold; None in older records."""
    chance: float | None = None
    """Probability that a relative margin was truly reached, given the rows."""
    left_out: int = 0
    """Rows that count for nothing: not answered by both, or not graded."""
    without_near: int | None = None
    """Test rows with a near neighbour in the training split that are not counted: the result without them is the
    lower one."""
    slices: list[SliceVerdict] = Field(default_factory=list)
    """What was found in each value of the gate's slice, the largest first."""
