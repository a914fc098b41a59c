"""Which test rows two models are compared on, and what each is worth there.

A row counts where both answered it and it was graded; whatever is left out is counted. Refuses what cannot be compared:
other rows, other references, a missing metric, a value that is no number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.errors import GituneError
from runner.evaluation.catalog import METRICS, Metric
from runner.evaluation.scores import Scores, SubjectScores

if TYPE_CHECKING:
    from runner.evaluation.resampling import Array

_OWN = Metric("defined by the spec", "graded")


def described(metric: str) -> Metric:
    """Return what a metric is; one that is not built in is the spec's own, a share for each row."""
    return METRICS.get(metric.partition(".")[0], _OWN)


def lowest(metric: str) -> bool:
    """Whether less of it is better."""
    return described(metric).better == "lower"


def is_bounded(metric: str) -> bool:
    """Whether it lies between 0 and 1; a gap between losses is told as a share and need not."""
    found = described(metric)
    return found.is_share and found.kind != "measure"


@dataclass(frozen=True, slots=True)
class Shared:
    """The rows on which models are compared."""

    kept: tuple[int, ...]
    """Their places in the test split."""
    left_out: int
    """Rows that some model did not answer, or that were not graded."""
    clusters: tuple[int, ...] | None
    """Number of each row's cluster, from 0 on; None when every row stands alone."""
    whole: bool
    """Whether these are all rows there are."""

    @property
    def units(self) -> int:
        """Pieces of independent evidence: rows, or clusters."""
        return len(self.kept) if self.clusters is None else max(self.clusters) + 1


def shared_rows(
    metric: str,
    subjects: Mapping[str, SubjectScores],
    groups: Sequence[str] | None = None,
    among: Sequence[int] | None = None,
) -> Shared:
    """Return the rows that count for all of the models.

    Args:
        metric: the metric that is compared.
        subjects: models by name.
        groups: cluster of each row of the test split; None when rows stand alone.
        among: places of the rows that are asked about; None: all.

    Raises:
        GituneError: when the models were not scored on the same rows, or none is left.
    """
    for name, scores in subjects.items():
        value_of(metric, name, scores)
    counts = {name: _rows_of(metric, name, scores) for name, scores in subjects.items()}
    if len(set(counts.values())) > 1:
        (first, ours), (second, theirs) = counts.items()
        raise GituneError(
            f"{metric}: {first} was scored on {ours} rows and {second} on {theirs}",
            hint="both must answer the same test rows: score again",
        )
    (total,) = set(counts.values())
    if groups is not None and len(groups) != total:
        raise GituneError(f"{metric}: {len(groups)} groups for {total} rows", hint="score again")
    asked = range(total) if among is None else among
    missing = {place for scores in subjects.values() for place in scores.unanswered}
    for scores in subjects.values():
        missing |= {place for place, value in enumerate(scores.rows.get(metric, ())) if value is None}
    kept = tuple(place for place in asked if place not in missing)
    if not kept:
        raise GituneError(f"{metric}: no row was answered by {' and '.join(subjects)}: nothing can be decided")
    return Shared(kept, len(asked) - len(kept), _clusters(groups, kept), len(kept) == total)


def row_values(metric: str, name: str, scores: SubjectScores, rows: Shared) -> list[float]:
    """Return the values of the shared rows.

    Raises:
        GituneError: when one is no number.
    """
    values = [scores.rows[metric][place] for place in rows.kept]
    found = [value for value in values if value is not None and math.isfinite(value)]
    if len(found) != len(values):
        raise GituneError(f"{metric}: {name} has a row whose value is no number: the evaluation went wrong")
    return found


def value_on(metric: str, name: str, scores: SubjectScores, rows: Shared) -> float:
    """Return a model's value on the shared rows.

    Raises:
        GituneError: when it was not measured, or is no number that it could be.
    """
    value = value_of(metric, name, scores)
    if rows.whole or described(metric).kind == "measure":
        return value
    if metric in scores.rows:
        values = row_values(metric, name, scores, rows)
        return sum(values) / len(values)
    import numpy as np

    weights = np.zeros((1, len(scores.labels) or len(scores.counts[metric])))
    weights[0, list(rows.kept)] = 1.0
    return float(corpus_values(metric, scores, weights)[0])


def value_of(metric: str, name: str, scores: SubjectScores) -> float:
    """Return a model's value of a metric on all rows.

    Raises:
        GituneError: when it was not measured, or is no number that it could be.
    """
    if metric not in scores.values:
        raise GituneError(
            f"a gate needs {metric}, which was not measured for {name}", hint="add it to evaluation.metrics"
        )
    value = scores.values[metric]
    if is_bounded(metric) and not (math.isfinite(value) and 0 <= value <= 1):
        raise GituneError(f"{metric} of {name} is {value}, not a value between 0 and 1: the evaluation went wrong")
    if not math.isfinite(value):
        raise GituneError(f"{metric} of {name} is {value}, which is no number: the evaluation went wrong")
    return value


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


def corpus_values(metric: str, scores: SubjectScores, weights: Array) -> Array:
    """Return what a metric of all rows together is under each row of weights: (resamples, rows) -> (resamples,)."""
    from runner.evaluation.corpus import corpus_values as computed

    return computed(metric, scores, weights)


def checked(scores: Scores) -> Scores:
    """Return scores whose parts all speak of the same rows.

    Raises:
        GituneError: when they do not.
    """
    parts = {"groups": scores.groups or scores.rows, "marks of near rows": scores.near or scores.rows, **scores.slices}
    for name, values in parts.items():
        if scores.rows and len(values) != len(scores.rows):
            raise GituneError(f"there are {len(values)} {name} for {len(scores.rows)} test rows", hint="score again")
    return scores


def _rows_of(metric: str, name: str, scores: SubjectScores) -> int:
    """Count the rows a model was asked, and see that each has what the metric is computed from."""
    total = scores.n + len(scores.unanswered)
    if described(metric).kind == "measure":
        return total
    for what, found in (("values", scores.rows.get(metric)), ("counts", scores.counts.get(metric))):
        if found is not None:
            if len(found) != total:
                raise GituneError(f"{metric}: {name} has {len(found)} {what} for {total} rows", hint="score again")
            return total
    if len(scores.labels) != total:
        raise GituneError(f"{metric}: {name} has {len(scores.labels)} labels for {total} rows", hint="score again")
    return total


def _clusters(groups: Sequence[str] | None, kept: Sequence[int]) -> tuple[int, ...] | None:
    if groups is None:
        return None
    numbers: dict[str, int] = {}
    found = tuple(numbers.setdefault(groups[place], len(numbers)) for place in kept)
    return None if len(numbers) == len(kept) else found
