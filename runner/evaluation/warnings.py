"""What a reviewer should know of scores that no gate asks about: (scores, gates) -> sentences; it decides nothing."""

from __future__ import annotations

from collections.abc import Sequence

from runner.evaluation.scores import Scores
from runner.evaluation.words import percent
from runner.spec.models import Gate

LARGEST_GAP = 0.30
"""Share by which the validation loss may lie above the training loss before it is told."""


def warnings_of(scores: Scores, gates: Sequence[Gate]) -> list[str]:
    """Return what is worth a look before a release."""
    gap = scores.subjects["tuned"].values.get("overfit_gap")
    if gap is None or gap <= LARGEST_GAP or any(gate.metric == "overfit_gap" for gate in gates):
        return []
    return [
        f"the validation loss lies {percent(gap)} above the training loss (up to {percent(LARGEST_GAP)} is usual): the "
        "model has begun to learn its examples by heart; train for fewer epochs, or on more examples"
    ]
