"""Two models' scores on the same rows -> the measured gain and how far it may be from the true one.

Refuses what cannot be compared: other rows, a missing metric, a value that is no number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from runner.errors import GituneError
from runner.evaluation.scores import SubjectScores
from runner.evaluation.statistics import bonett_price, macro_f1_gain, mid_p_mcnemar

LEVEL = 0.90
"""Two-sided level whose ends are one-sided 95 % bounds."""

EPSILON = 1e-9
"""Differences of shares are compared with round numbers such as 0.1, which binary fractions miss by less than this."""


@dataclass(frozen=True, slots=True)
class Gain:
    """A measured difference with its bounds."""

    difference: float
    low: float
    high: float
    n: int
    method: str
    changed: tuple[int, int] | None = None
    """Rows fixed and broken, for metrics that are right or wrong per row."""


def compare(metric: str, tuned: SubjectScores, name: str, rival: SubjectScores) -> Gain:
    """Return the gain of the tuned model over the rival called `name`.

    Raises:
        GituneError: when the two were not scored on the same rows.
    """
    if tuned.n != rival.n:
        raise GituneError(
            f"{metric}: tuned was scored on {tuned.n} rows and {name} on {rival.n}",
            hint="both must answer the same test rows: score again",
        )
    if metric not in tuned.rows and metric not in rival.rows:
        return _corpus_gain(metric, tuned, name, rival)
    ours, theirs = right_rows(metric, "tuned", tuned), right_rows(metric, name, rival)
    fixed = sum(a > b for a, b in zip(ours, theirs, strict=True))
    broken = sum(a < b for a, b in zip(ours, theirs, strict=True))
    low, high = bonett_price(fixed, broken, tuned.n, LEVEL)
    method = f"Bonett-Price paired one-sided 95 % bounds; mid-p McNemar p = {mid_p_mcnemar(fixed, broken):.2g}"
    return Gain((fixed - broken) / tuned.n, low, high, tuned.n, method, (fixed, broken))


def _corpus_gain(metric: str, tuned: SubjectScores, name: str, rival: SubjectScores) -> Gain:
    for subject, scores in (("tuned", tuned), (name, rival)):
        if len(scores.labels) != scores.n:
            raise GituneError(f"{metric}: {subject} has {len(scores.labels)} labels for {scores.n} rows")
    if [reference for reference, _ in tuned.labels] != [reference for reference, _ in rival.labels]:
        raise GituneError(f"{metric}: tuned and {name} were not scored on the same rows", hint="score again")
    low, high = macro_f1_gain(tuned.labels, rival.labels, LEVEL)
    difference = tuned.values[metric] - rival.values[metric]
    return Gain(
        difference, low, high, tuned.n, "paired bootstrap over rows, 10,000 seeded draws, one-sided 95 % bounds"
    )


def scores_of(name: str, scores: Mapping[str, SubjectScores]) -> SubjectScores:
    """Return a subject's scores.

    Raises:
        GituneError: when it was not scored, or on no rows.
    """
    if name not in scores:
        raise GituneError(f"a gate compares with {name}, which was not scored", hint=f"scored: {', '.join(scores)}")
    if scores[name].n == 0:
        raise GituneError(f"{name} was scored on no rows: nothing can be decided")
    return scores[name]


def value_of(metric: str, name: str, scores: SubjectScores) -> float:
    """Return a subject's value of a metric.

    Raises:
        GituneError: when it was not measured, or is no number between 0 and 1.
    """
    if metric not in scores.values:
        raise GituneError(
            f"a gate needs {metric}, which was not measured for {name}", hint="add it to evaluation.metrics"
        )
    value = scores.values[metric]
    if not (math.isfinite(value) and 0 <= value <= 1):
        raise GituneError(f"{metric} of {name} is {value}, not a value between 0 and 1: the evaluation went wrong")
    return value


def right_rows(metric: str, name: str, scores: SubjectScores) -> list[int]:
    """Return 1 or 0 for every row.

    Raises:
        GituneError: when rows are missing or graded.
    """
    values = scores.rows.get(metric, [])
    if len(values) != scores.n:
        raise GituneError(f"{metric}: {name} has {len(values)} values for {scores.n} rows")
    if any(value not in (0.0, 1.0) for value in values):
        raise GituneError(f"{metric}: {name} has a row that is neither right (1) nor wrong (0)")
    return [int(value == 1.0) for value in values]
