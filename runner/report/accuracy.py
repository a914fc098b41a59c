"""Predicted against actual time, in words: of the steps that an apply ran, and of earlier predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.plan.accuracy import Took
from runner.plan.cost import Accuracy
from runner.report.duration import duration


def took_lines(steps: Sequence[Took]) -> list[str]:
    """Say how long steps took, in sum, and where that was predicted, against the prediction."""
    known = [(step, step.predicted) for step in steps if step.predicted is not None]
    if not known:
        return [f"  took {duration(sum(step.seconds for step in steps))}; nothing was predicted"] if steps else []
    lines = [f"  {step.step}: {duration(step.seconds)}, predicted {duration(predicted)}" for step, predicted in known]
    if len(known) > 1:
        actual, expected = sum(step.seconds for step, _ in known), sum(predicted for _, predicted in known)
        lines.append(f"  in sum: {duration(actual)}, predicted {duration(expected)}")
    return lines


def took_json(steps: Sequence[Took]) -> list[dict[str, Any]]:
    """Return the same as data."""
    return [{"step": step.step, "seconds": step.seconds, "predicted_seconds": step.predicted} for step in steps]


def accuracy_words(accuracy: Accuracy) -> str:
    """Say how good earlier predictions were: `estimates were within ×1.3 for 80 % of 24 steps`."""
    return f"estimates were within ×{accuracy.factor:.1f} for {accuracy.share:.0%} of {accuracy.steps} steps".replace(
        "%", " %"
    )
