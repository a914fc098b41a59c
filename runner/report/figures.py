"""Values of metrics -> words, each in its unit: shares in percent, their differences in points."""

from __future__ import annotations

from runner.evaluation.catalog import Unit
from runner.evaluation.words import percent, points


def figure(value: float | None, unit: Unit) -> str:
    """Say a value: `62.0 %`, `0.85 s`, `20.4 tokens`; nothing for None."""
    if value is None:
        return ""
    match unit:
        case "share":
            return percent(value)
        case "seconds":
            return f"{value:.3g} s"
        case "tokens":
            return f"{value:.1f} tokens"
        case "usd":
            return f"${value:.4f}"
        case "loss":
            return f"{value:.4f}"


def change(difference: float | None, unit: Unit) -> str:
    """Say a difference with its sign, without a unit that the value beside it has: `+19.0`; nothing for None."""
    if difference is None:
        return ""
    match unit:
        case "share":
            return points(difference)
        case "seconds":
            return f"{_positive_zero(round(difference, 3)):+.3g}"
        case "tokens":
            return f"{_positive_zero(round(difference, 1)):+.1f}"
        case "usd" | "loss":
            return f"{_positive_zero(round(difference, 4)):+.4f}"


def bounds(low: float | None, high: float | None, unit: Unit, *, signed: bool) -> str:
    """Say an interval: `+9.7 … +28.0`, or of a value `88.9 % … 99.9 %`; nothing where there is none."""
    if low is None or high is None:
        return ""
    said = change if signed else figure
    return f"{said(low, unit)} … {said(high, unit)}"


def _positive_zero(value: float) -> float:
    return value + 0.0  # turns -0.0 into 0.0
