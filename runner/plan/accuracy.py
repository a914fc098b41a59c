"""Predicted against actual: what a plan expected of a step is in its record, and later plans say how good that was."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from runner.plan.cost import Accuracy
from runner.registry.facts import Record, Step

ENOUGH = 5
"""Fewest predictions whose error says anything."""

SHARE = 0.8
"""Share of earlier predictions that the error told is true of."""


@dataclass(frozen=True, slots=True)
class Took:
    """A step that ran, against what was predicted of it."""

    step: Step
    seconds: float
    predicted: float | None
    """None where nothing was known of such a step."""


def took(record: Record) -> Took:
    """Hold what a step took against what its plan expected."""
    return Took(record.step, round(record.seconds, 1), record.predicted_seconds)


def accuracy_of(records: Iterable[Record]) -> Accuracy | None:
    """Say how far records ended from what was predicted for them; None when too few were predicted."""
    pairs = [(record.predicted_seconds, record.seconds) for record in records if record.predicted_seconds]
    # Below a second it is the clock and the disk that decide.
    factors = sorted(_apart(max(1.0, said), max(1.0, was)) for said, was in pairs)
    if len(factors) < ENOUGH:
        return None
    within = factors[math.ceil(SHARE * len(factors)) - 1]
    return Accuracy(steps=len(factors), share=SHARE, factor=round(within, 2))


def _apart(a: float, b: float) -> float:
    return max(a / b, b / a)
