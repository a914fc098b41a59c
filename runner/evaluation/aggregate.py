"""Values of rows and samples -> one number for a row, one for the model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from runner.errors import GituneError
from runner.evaluation.answers import identity
from runner.evaluation.classification import CLASSIFICATION
from runner.evaluation.corpus import COUNTS, corpus_values
from runner.evaluation.scores import SubjectScores
from runner.evaluation.stored import MOST_UNANSWERED, Given


def row_values(metric: str, samples: Sequence[Sequence[float | None]]) -> list[float | None]:
    """Return the mean of each row's samples; None where none has a value.

    Args:
        metric: for the error.
        samples: values of every row; none for a row that was not answered.

    Raises:
        GituneError: when too many answers have no value.
    """
    values = [_mean(row) for row in samples]
    answered = sum(bool(row) for row in samples)
    graded = sum(value is not None for value in values)
    if answered - graded > MOST_UNANSWERED * answered:
        raise GituneError(
            f"{metric}: {answered - graded} of {answered} answered rows have no value",
            hint="a row without a value is no wrong answer: mend what measures it and score again",
        )
    return values


def agreement(samples: Sequence[Sequence[Given]]) -> list[list[float]]:
    """Return `consistency` of each row: the share of pairs of its samples that are the same answer, between 0 and 1.

    The chance that two draws agree (Simpson 1949's index, without replacement); same as `exact_match` compares.

    Raises:
        GituneError: when a question was answered once.
    """
    if any(len(row) == 1 for row in samples):
        raise GituneError(
            "consistency compares several answers to a question, and there is one",
            hint="set evaluation.generation.samples to 2 or more, and a temperature above 0",
        )
    return [[_agreeing_pairs(row)] if row else [] for row in samples]


def values_over(scores: SubjectScores, metrics: Iterable[str], chosen: Sequence[bool]) -> dict[str, float]:
    """Return the value of every metric of answers over some of the rows.

    Args:
        scores: what rows, labels and counts are taken from.
        metrics: names; what is not of answers is left out, and what no chosen row has a value of.
        chosen: which rows count.
    """
    values = {}
    for metric in metrics:
        if metric in scores.rows:
            mean = _mean([value for value, counts in zip(scores.rows[metric], chosen, strict=True) if counts])
        elif metric in CLASSIFICATION or metric in COUNTS:
            mean = _corpus_value(metric, scores, chosen)
        else:
            continue
        if mean is not None:
            values[metric] = mean
    return values


def _corpus_value(metric: str, scores: SubjectScores, chosen: Sequence[bool]) -> float | None:
    import numpy as np

    weights = np.array([chosen], dtype=np.float64)
    weights[:, scores.unanswered] = 0
    return float(corpus_values(metric, scores, weights)[0]) if weights.any() else None


def _mean(values: Iterable[float | None]) -> float | None:
    graded = [value for value in values if value is not None]
    return sum(graded) / len(graded) if graded else None


def _agreeing_pairs(samples: Sequence[Given]) -> float:
    same = Counter(identity(given.text) for given in samples).values()
    return sum(count * (count - 1) for count in same) / (len(samples) * (len(samples) - 1))
