"""Reference and answered labels of every row -> which label is taken for which."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

from runner.evaluation.scores import Scores, SubjectScores
from runner.report.model import ConfusedPair, Confusion

MOST_LABELS = 200
"""More different references than this are texts, and no labels."""
MOST_PAIRS = 50
"""Pairs that are kept."""


def confusions(scores: Scores) -> Iterator[Confusion]:
    """Yield the confusion of base and tuned, where labels were kept."""
    for subject in ("base", "tuned"):
        found = scores.subjects[subject]
        labels = sorted({expected for expected, _ in found.labels})
        if 1 < len(labels) <= MOST_LABELS:
            yield _confusion(subject, found, labels)


def _confusion(subject: str, scores: SubjectScores, labels: list[str]) -> Confusion:
    number = {label: at for at, label in enumerate(labels)}
    unanswered = {*scores.unanswered}
    matrix = [[0] * (len(labels) + 1) for _ in labels]
    taken: Counter[tuple[str, str | None]] = Counter()
    for at, (expected, answered) in enumerate(scores.labels):
        if at in unanswered:
            continue
        column = len(labels) if answered is None else number.get(answered, len(labels))
        matrix[number[expected]][column] += 1
        if column != number[expected]:
            taken[plain(expected), None if column == len(labels) else plain(labels[column])] += 1
    commonest = sorted(taken.items(), key=lambda item: (-item[1], item[0][0], item[0][1] or ""))
    return Confusion(
        subject=subject,
        labels=[plain(label) for label in labels],
        matrix=matrix,
        pairs=[ConfusedPair(expected=a, answered=b, n=n) for (a, b), n in commonest[:MOST_PAIRS]],
    )


def plain(label: str) -> str:
    """Return a label as people write it: fields of JSON answers are kept as JSON text."""
    try:
        value = json.loads(label)
    except ValueError:
        return label
    return value if isinstance(value, str) else label
