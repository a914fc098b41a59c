"""(scores, which answers ended at the token limit) -> scores that class these as cut off where they break the format.

A contract sees a text alone. `I would say that this mess` is no JSON, and why is told by its finish reason: the model
talked until it was stopped. An answer that keeps the format is fine, wherever it ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from runner.evaluation.scores import SubjectScores

CUT_OFF = "cut_off"


def mark_cut_off(scores: SubjectScores, cut: Sequence[bool]) -> SubjectScores:
    """Return scores whose format violations tell answers that the token limit ended.

    Args:
        scores: of one model; without kinds of violation for each row they stay as they are.
        cut: which rows' answers ended at the limit, in the order of `Scores.rows`.
    """
    if not scores.breaks:
        return scores
    breaks = [
        sorted({*kinds, CUT_OFF}) if kinds and is_cut else kinds
        for kinds, is_cut in zip(scores.breaks, cut, strict=True)
    ]
    counts = Counter(kind for kinds in breaks for kind in kinds)
    return scores.model_copy(update={"breaks": breaks, "violations": dict(sorted(counts.items()))})
