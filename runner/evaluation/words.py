"""How numbers are said to people: shares as percent, their differences in points, others by unit; never a `-0.0`."""

from __future__ import annotations


def amount(value: float, unit: str) -> str:
    """Say a value of a metric: `62.0 %`, `1.20 s`, `12.3 tokens`, `0.0042 USD`."""
    return percent(value) if unit == "share" else _with_unit(f"{value:.{_DIGITS[unit]}f}", unit)


def change(difference: float, unit: str) -> str:
    """Say a difference of two values with its sign: `+19.0 points`, `-0.30 s`."""
    if unit == "share":
        return f"{points(difference)} points"
    return _with_unit(f"{round(difference, _DIGITS[unit]) + 0.0:+.{_DIGITS[unit]}f}", unit)


def percent(share: float) -> str:
    """Say a share: `62.0 %`."""
    return f"{_rounded(share):.1f} %"


def points(difference: float) -> str:
    """Say a difference of shares with its sign: `+19.0`."""
    return f"{_rounded(difference):+.1f}"


def number(value: float) -> str:
    """Say a number as it was written in the spec: `10`, `2.5`."""
    return f"{value:g}"


_DIGITS = {"seconds": 2, "tokens": 1, "usd": 4, "loss": 4}


def _with_unit(text: str, unit: str) -> str:
    return {"seconds": f"{text} s", "tokens": f"{text} tokens", "usd": f"{text} USD", "loss": text}[unit]


def _rounded(share: float) -> float:
    return round(100 * share, 1) + 0.0  # adding 0.0 turns -0.0 into 0.0
