"""Results of one test row over models or versions, oldest first -> fixed, broken, flapping, both right or both wrong.

Rows are told apart by their ids, which digest their content: a row is followed through versions whose test sets differ.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

from runner.errors import GituneError
from runner.evaluation.scores import SubjectScores

Status = Literal["fixed", "broken", "flapping", "both_right", "both_wrong", "unanswered"]

FALLBACK = "exact_match"
"""What says whether a row is right where the metric itself has no right or wrong for each row."""

FLAPS = 2
"""Changes of direction from which a row is said to flap."""

Results = Mapping[str, bool | None]
"""Whether each row is right, by row id; None: not answered."""


def status_of(results: Sequence[bool | None]) -> Status:
    """Return what became of one row.

    Args:
        results: whether it was right, the oldest first; None where it was not answered.
    """
    known = [result for result in results if result is not None]
    turns = sum(before != after for before, after in itertools.pairwise(known))
    if len(known) < 2:  # noqa: PLR2004 - nothing to compare with
        return "unanswered"
    if turns >= FLAPS:
        return "flapping"
    if turns == 1:
        return "fixed" if known[-1] else "broken"
    return "both_right" if known[-1] else "both_wrong"


def right_by(metric: str, ids: Sequence[str], scores: SubjectScores) -> tuple[str, Results]:
    """Return whether a model has each row right, and which metric says so.

    A metric without right and wrong for each row, such as macro F1, is stood for by `exact_match`, else by the labels.

    Raises:
        GituneError: when nothing that was measured says so.
    """
    for name in (metric, FALLBACK):
        values = scores.rows.get(name)
        if values is not None and all(value in (0.0, 1.0, None) for value in values):
            return name, dict(zip(ids, (None if value is None else value == 1.0 for value in values), strict=True))
    if len(scores.labels) == len(ids):
        missing = set(scores.unanswered)
        right = (None if at in missing else a == b for at, (a, b) in enumerate(scores.labels))
        return "label", dict(zip(ids, right, strict=True))
    raise GituneError(
        f"{metric} does not say of a row whether it is right", hint="add exact_match to evaluation.metrics"
    )
