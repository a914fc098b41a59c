"""How far one model's value of a metric may be from the true one."""

from __future__ import annotations

from runner.evaluation.compare import LEVEL
from runner.evaluation.scores import Scores
from runner.evaluation.statistics import clopper_pearson


def interval(metric: str, scores: Scores, subject: str) -> tuple[float, float, str] | None:
    """Return the bounds of a metric that is right or wrong per row, and their method; None for any other.

    Args:
        metric: its name.
        scores: what was scored.
        subject: whose value it is.
    """
    values = [value for value in scores.subjects[subject].rows.get(metric, ()) if value is not None]
    if not values or any(value not in (0.0, 1.0) for value in values):
        return None
    low, high = clopper_pearson(round(sum(values)), len(values), LEVEL)
    return low, high, "Clopper-Pearson one-sided 95 % bounds"
