"""ROUGE (Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries"), as F-measures between 0 and 1.

Words are those of `evaluation.tokens`, without stemming; for ASCII text the values are those of rouge-score 0.1.2,
but where there is nothing to count: texts of one and the same word have no pair and score 1 all the same, and so do
two equal texts without any word, such as `?` and `?`. An answer that is the reference always scores 1.
"""

from __future__ import annotations

from collections import Counter

from runner.evaluation.tokens import words_of


def rouge_1(reference: str, answer: str) -> float:
    """Return the F-measure of shared words, each counted as often as both texts have it."""
    return _rouge_n(reference, answer, 1)


def rouge_2(reference: str, answer: str) -> float:
    """Return the F-measure of shared pairs of neighbouring words."""
    return _rouge_n(reference, answer, 2)


def rouge_l(reference: str, answer: str) -> float:
    """Return the F-measure of the longest common subsequence of words, over the whole text (sentence level)."""
    from rapidfuzz.distance import LCSseq

    wanted, found = words_of(reference), words_of(answer)
    if not wanted and not found:
        return float(reference.strip() == answer.strip())
    return f_measure(LCSseq.similarity(wanted, found), len(wanted), len(found))


def f_measure(shared: float, wanted: int, found: int) -> float:
    """Return the harmonic mean of precision (shared of found) and recall (shared of wanted)."""
    return 2 * shared / (wanted + found) if shared else 0.0


def shared_words(wanted: tuple[str, ...], found: tuple[str, ...]) -> int:
    """Return how many words two texts share, each as often as both have it."""
    return len(wanted) if wanted == found else (Counter(wanted) & Counter(found)).total()


def _rouge_n(reference: str, answer: str, order: int) -> float:
    wanted, found = words_of(reference), words_of(answer)
    if wanted == found:
        return float(bool(wanted) or reference.strip() == answer.strip())
    ours, theirs = _grams(wanted, order), _grams(found, order)
    return f_measure((ours & theirs).total(), ours.total(), theirs.total())


def _grams(words: tuple[str, ...], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[at:] for at in range(order)), strict=False))
