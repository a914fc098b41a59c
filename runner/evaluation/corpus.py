"""Metrics computed from all rows together: what each row adds, and the value of any weighting of the rows.

So a bootstrap scores every draw with one matrix product. All values lie between 0 and 1; the papers' and sacrebleu's
scales go to 100.

`bleu`: BLEU (Papineni et al. 2002) as sacrebleu has it (Post 2018, arXiv:1804.08771): tokenizer 13a, case counts,
exponential smoothing, with `effective_order`, which leaves out orders of n-grams that no answer is long enough for.
`chrf`: chrF2 (Popović 2015, W15-3049) as sacrebleu has it: character n-grams up to 6 without white space, precision
and recall averaged over the orders, F with β = 2.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from runner.evaluation.classification import CLASSIFICATION, classification_values
from runner.evaluation.scores import SubjectScores

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

_ORDERS = 4
_CHARACTERS = 6
_BETA_SQUARED = 4


def corpus_values(metric: str, scores: SubjectScores, weights: Array) -> Array:
    """Return a corpus metric for each of several weightings of the rows; rows that were not answered never count.

    Args:
        metric: one whose kind is `corpus`.
        scores: with the labels or the counts that it is computed from.
        weights: how often each row counts: draws × rows, in the order of `Scores.rows`.
    """
    import numpy as np

    if scores.unanswered:
        weights = weights.copy()
        weights[:, scores.unanswered] = 0
    if metric in CLASSIFICATION:
        return classification_values(metric, scores.labels, weights)
    values: Array = _VALUES[metric](weights @ np.array(scores.counts[metric], dtype=np.float64))
    return values


def bleu_counts(reference: str, answer: str) -> list[float]:
    """Return lengths of answer and reference, then right and all n-grams of the answer by order."""
    found = _bleu().sentence_score(answer, [reference])
    return [found.sys_len, found.ref_len, *found.counts, *found.totals]


def chrf_counts(reference: str, answer: str) -> list[float]:
    """Return the character n-grams of the answer, of the reference, and those they share, by order."""
    from sacrebleu.metrics.helpers import extract_all_char_ngrams

    counts: list[float] = []
    given, wanted = (extract_all_char_ngrams(text, _CHARACTERS) for text in (answer, reference))
    for ours, theirs in zip(given, wanted, strict=True):
        shared = sum(min(count, theirs[gram]) for gram, count in ours.items() if gram in theirs)
        # As in sacrebleu, orders that the reference is too short for do not count.
        counts += [ours.total() if theirs else 0, theirs.total(), shared]
    return counts


@lru_cache(1)
def _bleu() -> Any:
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(effective_order=True)


def _bleu_values(sums: Array) -> Array:
    import numpy as np

    given, wanted, right, every = sums[:, 0], sums[:, 1], sums[:, 2 : 2 + _ORDERS], sums[:, 2 + _ORDERS :]
    used = np.logical_and.accumulate(every > 0, axis=1)
    # Exponential smoothing: the first order without a match counts half a match, the next a quarter.
    smoothed = 0.5 ** np.cumsum(used & (right == 0), axis=1)
    precision = np.divide(np.where(right > 0, right, smoothed), every, out=np.ones_like(every), where=used)
    mean = np.log(precision).sum(axis=1) / np.maximum(used.sum(axis=1), 1)
    short = (given < wanted) & (given > 0)
    brevity = np.exp(1 - np.divide(wanted, given, out=np.ones_like(given), where=short))
    return np.where(right.any(axis=1), brevity * np.exp(mean), 0.0)


def _chrf_values(sums: Array) -> Array:
    import numpy as np

    given, wanted, shared = (sums[:, part::3] for part in range(3))
    used = (given > 0) & (wanted > 0)
    orders = np.maximum(used.sum(axis=1), 1)
    precision, recall = (
        np.divide(shared, every, out=np.zeros_like(shared), where=used).sum(axis=1) / orders
        for every in (given, wanted)
    )
    below = _BETA_SQUARED * precision + recall
    above = (1 + _BETA_SQUARED) * precision * recall
    values: Array = np.divide(above, below, out=np.zeros_like(below), where=below > 0)
    return values


COUNTS: dict[str, Callable[[str, str], list[float]]] = {"bleu": bleu_counts, "chrf": chrf_counts}
"""What a row adds to the metrics that are summed up."""

_VALUES: dict[str, Callable[[Any], Any]] = {"bleu": _bleu_values, "chrf": _chrf_values}
