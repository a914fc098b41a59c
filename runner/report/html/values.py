"""Values of metrics -> words, in the unit of the metric."""

from __future__ import annotations

from runner.evaluation.catalog import Unit
from runner.evaluation.words import percent, points

_DECIMALS: dict[Unit, int] = {"seconds": 2, "tokens": 1, "usd": 4, "loss": 3}
_NAMES: dict[Unit, str] = {"seconds": " s", "tokens": "", "usd": " USD", "loss": ""}


def value_words(value: float, unit: Unit) -> str:
    """Say a value: `62.0 %`, `0.41 s`."""
    return percent(value) if unit == "share" else f"{value:,.{_DECIMALS[unit]}f}{_NAMES[unit]}"


def difference_words(value: float, unit: Unit) -> str:
    """Say a difference with its sign: `+19.0 points`, `-0.10 s`."""
    if unit == "share":
        return f"{points(value)} points"
    return f"{value + 0.0:+,.{_DECIMALS[unit]}f}{_NAMES[unit]}"


def range_words(low: float, high: float, unit: Unit) -> str:
    """Say an interval of values: `52.0 … 71.0 %`."""
    if unit == "share":
        return f"{percent(low).removesuffix(' %')} … {percent(high)}"
    return f"{low:,.{_DECIMALS[unit]}f} … {high:,.{_DECIMALS[unit]}f}{_NAMES[unit]}"


def bounds_words(low: float, high: float, unit: Unit) -> str:
    """Say the bounds of a difference: `+10.0 … +28.0`."""
    if unit == "share":
        return f"{points(low)} … {points(high)}"
    return f"{low:+,.{_DECIMALS[unit]}f} … {high:+,.{_DECIMALS[unit]}f}{_NAMES[unit]}"
