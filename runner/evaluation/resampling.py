"""Bounds by resampling rows, or clusters of rows, with a fixed seed: the same scores always get the same verdict.

Bounds count two rows more than there are: one as good and one as bad as a row can be. Bonett and Price add them to
right-or-wrong scores; here they keep a gain that no drawn row contradicts from looking certain. Without them, of models
with a true gain of 0 that rarely lose much and often win a little, up to 36 % showed a gain in 20 rows; with them none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from runner.evaluation.paired import Shared, corpus_values
from runner.evaluation.scores import SubjectScores

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

Bounds = tuple[float, float]

SEED = 20120524
"""Seed of every resampling."""

DRAWS, FEWER_DRAWS = 10_000, 2_000
"""Resamples; the fewer ones above `MANY_ROWS`."""

MANY_ROWS = 2_000
"""Rows above which a mean is as good as normal."""

_WEIGHTS = 2_000_000
"""Weights held at once; bounds memory."""


def draws_for(n: int) -> int:
    """Return how many resamples so many rows get."""
    return DRAWS if n <= MANY_ROWS else FEWER_DRAWS


def drawn(units: int, draws: int) -> Iterator[Array]:
    """Yield how often each of so many rows or clusters was drawn, for some resamples at a time: (resamples, units)."""
    import numpy as np

    rng = np.random.default_rng(SEED)
    chunk = max(_WEIGHTS // units, 1)
    for start in range(0, draws, chunk):
        size = min(chunk, draws - start)
        places = rng.integers(0, units, (size, units)) + np.arange(size)[:, None] * units
        yield np.bincount(places.ravel(), minlength=size * units).reshape(size, units).astype(np.float64)


def mean_bounds(
    values: Sequence[float], extremes: tuple[float, float], level: float, draws: int | None = None
) -> Bounds:
    """Return the bias-corrected and accelerated bootstrap interval of a mean (Efron 1987), the extremes added.

    Above `MANY_ROWS` rows it is Student's t, which is the same there and takes no time.

    Args:
        values: one for each row.
        extremes: lowest and highest value that a row may have.
        level: two-sided confidence.
        draws: number of resamples; by default what `draws_for` says.
    """
    import numpy as np
    from scipy.special import ndtr, ndtri, stdtrit

    rows = np.array([*values, *extremes])
    n, mean = len(rows), rows.mean()
    if len(values) > MANY_ROWS:
        half = stdtrit(n - 1, (1 + level) / 2) * rows.std(ddof=1) / np.sqrt(n)
        return float(mean - half), float(mean + half)
    means = np.concatenate([weights @ rows for weights in drawn(n, draws or DRAWS)]) / n
    pulls = rows - mean
    acceleration = (pulls**3).sum() / (6 * (pulls**2).sum() ** 1.5)
    below = ((means < mean).mean() + (means <= mean).mean()) / 2
    bias = ndtri(np.clip(below, 0.5 / len(means), 1 - 0.5 / len(means)))
    at = bias + ndtri(np.array([(1 - level) / 2, (1 + level) / 2]))
    low, high = np.quantile(means, ndtr(bias + at / (1 - acceleration * at)))
    return float(low), float(high)


def spread_of(rows: Shared, total: int, draws: int, value: Callable[[Array], Array], level: float) -> Bounds:
    """Return the interval of what is computed from all rows together, such as BLEU.

    Ends lie further out by as much as Student's t of so many units is wider than what resampling finds (Hesterberg
    2015): with few rows the percentiles alone are too narrow.

    Args:
        rows: rows that count.
        total: all rows there are.
        draws: number of resamples.
        value: from weights of all rows, one value for each resample.
        level: two-sided confidence.
    """
    import numpy as np
    from scipy.special import ndtr, stdtrit

    owners = np.arange(len(rows.kept)) if rows.clusters is None else np.asarray(rows.clusters)
    found = []
    for counts in drawn(rows.units, draws):
        weights = np.zeros((len(counts), total))
        weights[:, list(rows.kept)] = counts[:, owners]
        found.append(value(weights))
    freedom = max(rows.units - 1, 1)
    tail = float(ndtr(stdtrit(freedom, (1 - level) / 2) * math.sqrt(rows.units / freedom)))
    return _quantiles(found, tail)


def labels_spread(
    subjects: Sequence[tuple[SubjectScores, float]], metric: str, rows: Shared, draws: int, level: float
) -> Bounds:
    """Return the interval of a sum of models' values of a metric of labels, such as a gain in F1.

    Two units are added, one in which a model counted positively is right and all others are wrong, and one the other
    way round; they are spread over the labels as the references are.

    Args:
        subjects: models, and what their values count: 1 and -1 for a gain.
        metric: metric that is computed from labels.
        rows: rows that count.
        draws: number of resamples.
        level: two-sided confidence.
    """
    import numpy as np

    references = Counter(subjects[0][0].labels[place][0] for place in rows.kept)
    size = len(rows.kept) / rows.units
    share = np.array([*references.values()]) / len(rows.kept) * size
    owners = np.arange(len(rows.kept)) if rows.clusters is None else np.asarray(rows.clusters)
    extended = [(_with_extremes(scores, rows, [*references], won=sign > 0), sign) for scores, sign in subjects]
    found = []
    for counts in drawn(rows.units + 2, draws):
        weights = np.hstack([counts[:, owners], counts[:, -2:-1] * share, counts[:, -1:] * share])
        values = [sign * corpus_values(metric, scores, weights) for scores, sign in extended]
        found.append(np.sum(values, axis=0))
    return _quantiles(found, (1 - level) / 2)


def _with_extremes(scores: SubjectScores, rows: Shared, labels: Sequence[str], *, won: bool) -> SubjectScores:
    """Return the labels of the rows, then one row for each label that is won, and one that is lost."""
    right, wrong = [(label, label) for label in labels], [(label, None) for label in labels]
    added = [*right, *wrong] if won else [*wrong, *right]
    kept = [scores.labels[place] for place in rows.kept]
    return SubjectScores.model_construct(n=len(kept) + len(added), values={}, labels=[*kept, *added])


def _quantiles(found: Sequence[Array], tail: float) -> Bounds:
    import numpy as np

    low, high = np.quantile(np.concatenate(found), [tail, 1 - tail])
    return float(low), float(high)
