"""What a reviewer should know of scores that no gate asks about: (scores, gates) -> sentences; it decides nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.evaluation.fit import fit_values
from runner.evaluation.scores import Scores
from runner.evaluation.words import percent
from runner.spec.evaluation import Gate

MOST_NEAR = 0.5
"""Share of test rows near to training rows above which the result says little of new ones."""

LARGEST_GAP = 0.30
"""Share by which the validation loss may lie above the training loss before it is told."""


def warnings_of(scores: Scores, gates: Sequence[Gate], training: Mapping[str, Any]) -> list[str]:
    """Return what is worth a look before a release.

    Args:
        scores: of all models.
        gates: of the spec; what one of them asks about is not told twice.
        training: the metrics of the training's record.
    """
    return [*_near(scores), *_gap(gates, training)]


def _near(scores: Scores) -> list[str]:
    near = sum(scores.near)
    if near <= MOST_NEAR * len(scores.near):
        return []
    told = (
        f"{near} of {len(scores.near)} test rows have a near neighbour in the training split: the scores say little of "
        "new inputs; name `dataset.split.group_by`, or test on other rows"
    )
    return [told]


def _gap(gates: Sequence[Gate], training: Mapping[str, Any]) -> list[str]:
    if training.get("validation_loss") is None or not training.get("train_loss"):
        return []
    gap = fit_values(["overfit_gap"], training)["overfit_gap"]
    if gap <= LARGEST_GAP or any(gate.metric == "overfit_gap" for gate in gates):
        return []
    told = (
        f"the validation loss lies {percent(gap)} above the training loss (up to {percent(LARGEST_GAP)} is usual): the "
        "model has begun to learn its examples by heart; train for fewer epochs, or on more examples"
    )
    return [told]
