"""Metrics computed from all rows together: what each row adds, and the value of any weighting of the rows.

So a bootstrap scores every draw with one matrix product. All values lie between 0 and 1; the papers' and sacrebleu's
scales go to 100.

`bleu`: BLEU (Papineni et al. 2002) as sacrebleu has it (Post 2018, arXiv:1804.08771): tokenizer 13a, case counts,
exponential smoothing, with `effective_order`, which leaves out orders of n-grams that no answer is long enough for.
`chrf`: chrF2 (Popović 2015, W15-3049) as sacrebleu has it: character n-grams up to 6 without white space, precision
and recall averaged over the orders, F with β = 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from runner.evaluation.classification import CLASSIFICATION, classification_values
from runner.evaluation.ngrams import shared_ngrams
from runner.evaluation.scores import SubjectScores
from runner.evaluation.tokens import words_13a

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


def bleu_counts(pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
    """Return for each reference and answer the lengths of answer and reference, then right and all n-grams by order."""
    numbers: dict[str, int] = {}
    words = {text: [numbers.setdefault(word, len(numbers)) for word in words_13a(text)] for text in {*chain(*pairs)}}
    sides = [(words[answer], words[reference]) for reference, answer in pairs]
    shared = iter(shared_ngrams([side for side in sides if side[0] != side[1]], _ORDERS))
    counts: list[list[float]] = []
    for given, wanted in sides:
        every = [max(len(given) - order, 0) for order in range(_ORDERS)]
        counts.append([len(given), len(wanted), *(every if given == wanted else next(shared)), *every])
    return counts


def chrf_counts(pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
    """Return for each pair the character n-grams of the answer, of the reference, and those they share, by order."""
    from rapidfuzz.distance import Postfix, Prefix

    texts = {text: "".join(text.split()) for text in {*chain(*pairs)}}
    sides = [(texts[answer], texts[reference]) for reference, answer in pairs]
    # What both begin and end with is shared as it is: only n-grams that reach into what differs need counting.
    same = []
    middles = []
    for given, wanted in sides:
        before = Prefix.similarity(given, wanted)
        after = Postfix.similarity(given[before:], wanted[before:])
        first, last = max(before - _CHARACTERS + 1, 0), max(after - _CHARACTERS + 1, 0)
        same.append(first + last)
        middles.append((_codes(given, first, last), _codes(wanted, first, last)))
    counts: list[list[float]] = []
    for (given, wanted), cut, shared in zip(sides, same, shared_ngrams(middles, _CHARACTERS), strict=True):
        row: list[float] = []
        for order in range(_CHARACTERS):
            ours, theirs = (max(len(text) - order, 0) for text in (given, wanted))
            # As in sacrebleu, orders that the reference is too short for do not count.
            row += [ours if theirs else 0, theirs, cut + shared[order]]
        counts.append(row)
    return counts


def _codes(text: str, first: int, last: int) -> Any:
    """Return the characters between the first and the last ones, as numbers."""
    import numpy as np

    return np.frombuffer(text[first : len(text) - last].encode("utf-32-le", "surrogatepass"), dtype="<u4")


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


COUNTS: dict[str, Callable[[Sequence[tuple[str, str]]], list[list[float]]]] = {
    "bleu": bleu_counts,
    "chrf": chrf_counts,
}
"""What rows, each a reference and an answer, add to the metrics that are summed up."""

_VALUES: dict[str, Callable[[Any], Any]] = {"bleu": _bleu_values, "chrf": _chrf_values}
