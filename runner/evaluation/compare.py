"""Two models' scores on the same rows -> the measured gain and how far it may be from the true one.

By the kind of metric: right-or-wrong rows by Bonett and Price, graded rows by a bootstrap of their mean difference,
metrics of all rows together by a bootstrap with both models scored again; rows that come in clusters by their clusters.
What is measured once, such as a latency, has no interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from runner.errors import GituneError
from runner.evaluation.paired import (
    Shared,
    corpus_values,
    described,
    is_bounded,
    lowest,
    row_values,
    scores_of,
    shared_rows,
    value_of,
    value_on,
)
from runner.evaluation.scores import SubjectScores
from runner.evaluation.statistics import bonett_price, clustered_mean, mid_p_mcnemar

__all__ = ["EPSILON", "LEVEL", "Gain", "compare", "scores_of", "value_of"]

LEVEL = 0.90
"""Two-sided level whose ends are one-sided 95 % bounds."""

EPSILON = 1e-9
"""Differences of shares are compared with round numbers such as 0.1, which binary fractions miss by less than this."""


@dataclass(frozen=True, slots=True)
class Gain:
    """A measured difference with its bounds."""

    difference: float
    """The tuned model's value less the rival's."""
    low: float
    """One-sided 95 % lower bound; equal to the difference where there is no interval."""
    high: float
    """One-sided 95 % upper bound."""
    n: int
    """Rows that both answered."""
    method: str
    """How the bounds were computed."""
    changed: tuple[int, int] | None = None
    """Rows fixed and broken, for metrics that are right or wrong per row."""
    left_out: int = 0
    """Rows that one of the two did not answer, or that were not graded."""
    clusters: int | None = None
    """Number of clusters, where rows do not stand alone."""
    measured: bool = False
    """Whether it was measured once and has no interval."""

    def improvement(self, metric: str) -> Gain:
        """Return the same difference with its sign such that more is better."""
        if not lowest(metric):
            return self
        return replace(self, difference=-self.difference, low=-self.high, high=-self.low)


def compare(
    metric: str,
    tuned: SubjectScores,
    name: str,
    rival: SubjectScores,
    *,
    groups: Sequence[str] | None = None,
    among: Sequence[int] | None = None,
    level: float = LEVEL,
    draws: int | None = None,
) -> Gain:
    """Return the gain of the tuned model over the rival called `name`.

    Args:
        metric: what is compared.
        tuned: scores of the tuned model.
        name: what the rival is called.
        rival: its scores.
        groups: cluster of each test row, where rows do not stand alone.
        among: places of the rows that are asked about; None: all.
        level: two-sided confidence of the bounds.
        draws: number of resamples where there are any; by default as many as the rows allow.

    Raises:
        GituneError: when the two were not scored on the same rows.
    """
    rows = shared_rows(metric, {"tuned": tuned, name: rival}, groups, among)
    ours, theirs = value_on(metric, "tuned", tuned, rows), value_on(metric, name, rival, rows)
    difference = ours - theirs
    if described(metric).kind == "measure":
        return Gain(difference, difference, difference, len(rows.kept), "measured, no interval", measured=True)
    if metric not in tuned.rows and metric not in rival.rows:
        low, high, method = _corpus_bounds(metric, tuned, name, rival, rows, level, draws)
        changed = None
    else:
        a, b = row_values(metric, "tuned", tuned, rows), row_values(metric, name, rival, rows)
        difference = sum(a) / len(a) - sum(b) / len(b)
        changed = _changed(a, b)
        low, high, method = _row_bounds(metric, a, b, rows, level, draws)
    clusters = rows.units if rows.clusters is not None else None
    if clusters is not None:
        method += f"; {clusters} clusters"
    return Gain(difference, low, high, len(rows.kept), method, changed, rows.left_out, clusters)


def is_binary(values: Sequence[float]) -> bool:
    """Whether every row is right (1) or wrong (0)."""
    return all(value in (0.0, 1.0) for value in values)


def bounds_words(level: float) -> str:
    """Say what the bounds of a level are."""
    return f"one-sided {100 * (1 + level) / 2:g} % bounds" if level == LEVEL else f"{100 * level:g} % interval"


def _changed(ours: Sequence[float], theirs: Sequence[float]) -> tuple[int, int] | None:
    if not (is_binary(ours) and is_binary(theirs)):
        return None
    pairs = [*zip(ours, theirs, strict=True)]
    return sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)


def _row_bounds(
    metric: str, ours: Sequence[float], theirs: Sequence[float], rows: Shared, level: float, draws: int | None
) -> tuple[float, float, str]:
    gains, told = [a - b for a, b in zip(ours, theirs, strict=True)], bounds_words(level)
    largest = 1.0 if is_bounded(metric) else max(map(abs, gains)) or 1.0
    if rows.clusters is not None:
        if rows.units == 1:
            raise GituneError(
                f"{metric}: all {len(gains)} rows are of one group: there is no telling what chance does",
                hint="a test set needs rows of more groups",
            )
        low, high = clustered_mean(gains, rows.clusters, (-largest, largest), level)
        return low, high, f"paired {told}, Bonett-Price over clusters"
    if (changed := _changed(ours, theirs)) is not None:
        low, high = bonett_price(*changed, len(gains), level)
        return low, high, f"Bonett-Price paired {told}; mid-p McNemar p = {mid_p_mcnemar(*changed):.2g}"
    from runner.evaluation.resampling import MANY_ROWS, mean_bounds

    low, high = mean_bounds(gains, (-largest, largest), level, draws)
    how = "Student's t" if len(gains) > MANY_ROWS else "bootstrap (BCa, seeded)"
    return low, high, f"paired {how} of the mean difference, {told}"


def _corpus_bounds(
    metric: str, tuned: SubjectScores, name: str, rival: SubjectScores, rows: Shared, level: float, draws: int | None
) -> tuple[float, float, str]:
    from runner.evaluation.resampling import draws_for, labels_spread, spread_of

    count = draws or draws_for(len(rows.kept))
    told = f"paired bootstrap over rows, {count:,} seeded draws, {bounds_words(level)}"
    if metric in tuned.counts or metric in rival.counts:
        gain = lambda weights: corpus_values(metric, tuned, weights) - corpus_values(metric, rival, weights)  # noqa: E731
        return *spread_of(rows, len(tuned.counts[metric]), count, gain, level), told
    if [reference for reference, _ in tuned.labels] != [reference for reference, _ in rival.labels]:
        raise GituneError(f"{metric}: tuned and {name} were not scored on the same rows", hint="score again")
    return *labels_spread([(tuned, 1.0), (rival, -1.0)], metric, rows, count, level), told
