"""The lines of a training run -> the evaluation whose weights are kept, and the points of its loss curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Line = dict[str, Any]
"""A step: step, epoch, loss, learning_rate, grad_norm, tokens, labels, seconds. An evaluation: step, epoch, train_loss
(mean since the last evaluation), validation_loss, seconds (since training began). Losses are means per learned token,
in nats."""

STEP_POINTS = 60
"""Points between evaluations, at most; enough to draw, few enough to read."""


def best_evaluation(evaluations: Sequence[Line]) -> Line | None:
    """Return the evaluation whose weights are kept: the lowest validation loss, the earlier of equals.

    Without validation rows the last one is the best one known.
    """
    trained = [line for line in evaluations if line["step"]]
    if not trained or trained[-1]["validation_loss"] is None:
        return trained[-1] if trained else None
    return min(trained, key=lambda line: line["validation_loss"])


def curve_of(lines: Sequence[Line]) -> list[Line]:
    """Thin the lines to points that can be drawn: step, epoch, train_loss, validation_loss, learning_rate, seconds."""
    total = sum("loss" in line for line in lines)
    every = -(-total // STEP_POINTS)
    points: list[Line] = []
    recent: list[float] = []
    seconds = 0.0
    for line in lines:
        if "validation_loss" in line:
            recent.clear()
            seconds = line["seconds"]
            points.append(line | {"learning_rate": None})
            continue
        recent.append(line["loss"])
        seconds += line["seconds"]
        if line["step"] % every == 0 and not float(line["epoch"]).is_integer():
            points.append(
                {
                    "step": line["step"],
                    "epoch": line["epoch"],
                    "train_loss": sum(recent) / len(recent),
                    "validation_loss": None,
                    "learning_rate": line["learning_rate"],
                    "seconds": round(seconds, 1),
                }
            )
            recent.clear()
    return points
