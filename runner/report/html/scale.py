"""Numbers -> places on an axis, and the round numbers that are written along it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight axis from `low` to `high`, drawn from `start` to `end`."""

    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    start: float
    """Where the smallest value lies, in pixels."""
    end: float
    """Where the largest value lies, in pixels."""

    def at(self, value: float) -> float:
        """Return the place of a value, kept inside the axis."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, wanted: int = 4) -> list[float]:
        """Return about so many round values that lie on the axis."""
        step = _round_step((self.high - self.low) / max(wanted, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(number * step, 12) + 0.0 for number in range(first, last + 1)]


def scale_of(values: Iterable[float], start: float, end: float, *, margin: float = 0.05) -> Scale:
    """Make an axis on which all finite values lie, with a little room at both ends."""
    found = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(found), max(found)
    room = (high - low) * margin or abs(high) * margin or 1.0
    return Scale(low - room, high + room, start, end)


def _round_step(rough: float) -> float:
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough - power * 1e-9)
