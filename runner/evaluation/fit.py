"""Metrics of a training: what its record says of the weights that were kept -> `validation_loss`, `overfit_gap`.

`validation_loss`: mean over the learned tokens of the validation split, in nats; 0 or more.
`overfit_gap`: (validation loss - training loss) / training loss, 0 where that is negative; the training loss is the
mean since the evaluation before. A gap that grows while training goes on is the usual sign of learning by heart
(Goodfellow et al. 2016, Deep Learning, 5.2).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from runner.errors import GituneError

FIT_METRICS = frozenset({"validation_loss", "overfit_gap"})


def fit_values(wanted: Collection[str], training: Mapping[str, Any]) -> dict[str, float]:
    """Return the metrics that are asked for.

    Args:
        wanted: some of `FIT_METRICS`.
        training: the metrics of a training's record.

    Raises:
        GituneError: when the training had no validation rows.
    """
    validation, train = training.get("validation_loss"), training.get("train_loss")
    values: dict[str, float | None] = {
        "validation_loss": validation,
        "overfit_gap": max(0.0, (validation - train) / train) if validation is not None and train else None,
    }
    found = {name: value for name in wanted if (value := values[name]) is not None}
    if missing := sorted(set(wanted) - found.keys()):
        raise GituneError(
            f"{', '.join(missing)}: the training has no validation loss to compare",
            hint="set dataset.split.validation, or name files under dataset.validation",
        )
    return found
