"""Seconds -> the words for them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Say a duration in the two units that matter: `45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = max(round(seconds), 1)
    minutes, rest = divmod(whole, 60)
    if minutes == 0:
        return f"{rest} s"
    hours, minutes_left = divmod(minutes, 60)
    if hours == 0:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{hours} h {minutes_left} min" if minutes_left else f"{hours} h"
