"""How numbers are said to people: shares as percent, differences in points, never a `-0.0`."""

from __future__ import annotations


def percent(share: float) -> str:
    """Say a share: `62.0 %`."""
    return f"{_rounded(share):.1f} %"


def points(difference: float) -> str:
    """Say a difference of shares with its sign: `+19.0`."""
    return f"{_rounded(difference):+.1f}"


def _rounded(share: float) -> float:
    return round(100 * share, 1) + 0.0  # adding 0.0 turns -0.0 into 0.0


def number(value: float) -> str:
    """Say a number as it was written in the spec: `10`, `2.5`."""
    return f"{value:g}"
