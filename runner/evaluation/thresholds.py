"""What a gate asks, as a number on the axis of its verdict's bounds: for figures, never to decide anything."""

from __future__ import annotations

from runner.evaluation.catalog import METRICS
from runner.spec.models import Gate


def threshold_of(gate: Gate, rival_value: float | None) -> float | None:
    """Return the smallest difference (or value) that a gate lets pass; the largest where lower is better.

    Args:
        gate: the condition.
        rival_value: what the rival measured; None when there is no rival, or none yet.
    """
    if gate.rival is None:
        return gate.at_most if gate.at_least is None else gate.at_least
    if rival_value is None:
        return None
    found = METRICS.get(gate.metric.partition(".")[0])
    up = -1.0 if found is not None and found.better == "lower" else 1.0
    margin = gate.by or gate.margin
    if margin is None:
        return 0.0
    if margin.points is not None:
        size = margin.points / 100
    elif margin.relative is not None:
        size = _fraction(margin.relative) * rival_value
    else:
        size = _fraction(margin.error_reduction or "0%") * (1 - rival_value)
    return up * (size if gate.beats else -size) + 0.0


def _fraction(text: str) -> float:
    return float(text.rstrip("% ")) / 100
