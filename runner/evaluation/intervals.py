"""How far one model's value of a metric may be from the true one, for gates with a threshold and for reports."""

from __future__ import annotations

from collections.abc import Sequence

from runner.evaluation.compare import bounds_words, is_binary
from runner.evaluation.paired import Shared, corpus_values, described, is_bounded, row_values, shared_rows
from runner.evaluation.scores import Scores, SubjectScores
from runner.evaluation.statistics import clopper_pearson, clustered_mean

Interval = tuple[float, float, str]
"""Lower end, upper end, and how they were computed."""

LEVEL = 0.95
"""Of the intervals in reports."""

_BLOCKS = 50


def interval(metric: str, scores: Scores, subject: str) -> Interval | None:
    """Return the two-sided 95 % interval of a subject's value; None for what is measured once.

    Args:
        metric: its name.
        scores: what was scored.
        subject: whose value it is.
    """
    found = scores.subjects[subject]
    if described(metric).kind == "measure":
        return None
    rows = shared_rows(metric, {subject: found}, scores.groups)
    if rows.units == 1:
        return None
    return bounds_of(metric, subject, found, rows, LEVEL)


def bounds_of(metric: str, name: str, scores: SubjectScores, rows: Shared, level: float) -> Interval | None:
    """Return the interval of a model's value on some rows; None for what is measured once.

    Args:
        metric: its name.
        name: of the model.
        scores: of the model.
        rows: rows that count.
        level: two-sided confidence.
    """
    if described(metric).kind == "measure" or rows.units == 1:
        return None
    if metric in scores.rows:
        return _of_rows(metric, row_values(metric, name, scores, rows), rows, level)
    return _of_all(metric, scores, rows, level)


def _of_rows(metric: str, values: Sequence[float], rows: Shared, level: float) -> Interval:
    extremes = (0.0, 1.0) if is_bounded(metric) else (min(values), max(values))
    told = bounds_words(level)
    if rows.clusters is not None:
        return *clustered_mean(values, rows.clusters, extremes, level), f"adjusted Wald {told} over clusters"
    if is_binary(values):
        return *clopper_pearson(round(sum(values)), len(values), level), f"Clopper-Pearson {told}"
    if extremes[0] == extremes[1]:
        return *extremes, "every row has this value"
    from runner.evaluation.resampling import MANY_ROWS, mean_bounds

    low, high = mean_bounds(values, extremes, level)
    how = "Student's t" if len(values) > MANY_ROWS else "bootstrap (BCa, seeded) of the mean"
    return max(low, extremes[0]), min(high, extremes[1]), f"{how}, {told}"


def _of_all(metric: str, scores: SubjectScores, rows: Shared, level: float) -> Interval:
    """Bound what is computed from all rows together: few rows by a bootstrap, many by a jackknife over blocks."""
    from runner.evaluation.resampling import MANY_ROWS, draws_for, labels_spread, spread_of

    told = bounds_words(level)
    if rows.units > MANY_ROWS:
        return *_jackknife(metric, scores, rows, level), f"jackknife over {_BLOCKS} blocks, {told}"
    draws = draws_for(len(rows.kept))
    if metric in scores.counts:
        total = len(scores.counts[metric])
        low, high = spread_of(rows, total, draws, lambda weights: corpus_values(metric, scores, weights), level)
    else:
        low, high = labels_spread([(scores, 1.0)], metric, rows, draws, level)
    return low, high, f"bootstrap over rows, {draws:,} seeded draws, {told}"


def _jackknife(metric: str, scores: SubjectScores, rows: Shared, level: float) -> tuple[float, float]:
    """Leave out one block of rows (whole clusters) after the other; blocks are as large as each other by chance."""
    import numpy as np
    from scipy.special import stdtrit

    total = len(scores.counts[metric]) if metric in scores.counts else len(scores.labels)
    owners = np.arange(len(rows.kept)) if rows.clusters is None else np.asarray(rows.clusters)
    blocks = np.zeros((_BLOCKS + 1, total))
    kept = list(rows.kept)
    blocks[:, kept] = 1.0
    # The last line keeps all rows. Neighbours in a file may be alike, so blocks are dealt out like cards.
    for block in range(_BLOCKS):
        blocks[block, np.array(kept)[owners % _BLOCKS == block]] = 0.0
    found = corpus_values(metric, scores, blocks)
    spread = np.sqrt((_BLOCKS - 1) / _BLOCKS * ((found[:-1] - found[:-1].mean()) ** 2).sum())
    half = stdtrit(_BLOCKS - 1, (1 + level) / 2) * spread
    return max(float(found[-1] - half), 0.0), min(float(found[-1] + half), 1.0)
