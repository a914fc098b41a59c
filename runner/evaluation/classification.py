"""Metrics of labels: (reference label, answered label) of each row -> precision, recall and F1.

They count the labels that occur in the references (of a bootstrap draw: in what was drawn). For each, precision is
the share of the answers with that label that are right, recall the share of the references with that label that were
found, and F1 = 2 PR / (P + R). `macro_*` is their mean, `weighted_*` their mean weighed by the number of references,
`micro_*` computed from the counts of all labels together. An answer that is none of the labels earns nothing and adds
no class. What is undefined (a precision without answers) is 0. All lie between 0 and 1. Same values as
scikit-learn's `precision_recall_fscore_support(labels=LABELS OF THE REFERENCES, zero_division=0)`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.evaluation.answers import identity, members
from runner.evaluation.catalog import METRICS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

Pair = tuple[str, str | None]
"""Reference and answered label of one row; None: the answer has no label."""

NONE_OF_THEM = "none of the labels"
"""Head of the confusion matrix' last column."""

CLASSIFICATION = frozenset(name for name in METRICS if name.startswith(("macro_", "micro_", "weighted_")))


def label_pair(field: str | None, reference: str, answer: str) -> Pair:
    """Return the labels of one row.

    Args:
        field: field of a JSON object; None: the whole text is the label.
        reference: the right answer; has the field.
        answer: what a model wrote.
    """
    if field is None:
        return identity(reference), identity(answer)
    return (members(reference) or {})[field], (members(answer) or {}).get(field)


def confusion(labels: Sequence[Pair]) -> tuple[list[str], list[list[int]]]:
    """Count answers by reference and answered label.

    Args:
        labels: of every row.

    Returns:
        The labels of the references, sorted, and a row of counts for each of them: one column for each label, and a
        last one for answers that are none of them.
    """
    names = sorted({reference for reference, _ in labels})
    counts = Counter((reference, answered if answered in names else None) for reference, answered in labels)
    return names, [[counts[reference, answered] for answered in [*names, None]] for reference in names]


def classification_values(metric: str, labels: Sequence[Pair], weights: Array) -> Array:
    """Return a metric for each of several weightings of the rows.

    Args:
        metric: such as `macro_f1`.
        labels: of every row.
        weights: how often each row counts: draws × rows.
    """
    import numpy as np

    names = {name: at for at, name in enumerate(sorted({reference for reference, _ in labels}))}
    wanted = np.array([names[reference] for reference, _ in labels], dtype=np.int64)
    found = np.array([-1 if answered is None else names.get(answered, -1) for _, answered in labels], dtype=np.int64)
    # Few different pairs of labels stand for many rows: add those up first.
    cells, of_row = np.unique(wanted * (len(names) + 1) + found + 1, return_inverse=True)
    counted = _summed(weights, of_row, len(cells))
    wanted, found = np.divmod(cells, len(names) + 1)
    found -= 1
    of_wanted = _summed(counted, wanted, len(names))
    of_found = _summed(counted[:, found >= 0], found[found >= 0], len(names))
    is_right = wanted == found
    return _averaged(metric, of_wanted, of_found, _summed(counted[:, is_right], wanted[is_right], len(names)))


def _summed(weights: Array, group: npt.NDArray[np.int64], groups: int) -> Array:
    """Add up the columns of each group."""
    import numpy as np

    order = np.argsort(group, kind="stable")
    there, starts = np.unique(group[order], return_index=True)
    sums = np.zeros((len(weights), groups))
    if len(there):
        sums[:, there] = np.add.reduceat(weights[:, order], starts, axis=1)
    return sums


def _averaged(metric: str, wanted: Array, found: Array, right: Array) -> Array:
    """Average over the labels: each argument counts rows, draws × labels."""
    import numpy as np

    average, _, measure = metric.partition("_")
    # A label that was not drawn is no class of that draw.
    found = np.where(wanted > 0, found, 0.0)
    if average == "micro":
        wanted, found, right = (counts.sum(axis=1, keepdims=True) for counts in (wanted, found, right))
    above, below = {"precision": (right, found), "recall": (right, wanted), "f1": (2 * right, wanted + found)}[measure]
    each = np.divide(above, below, out=np.zeros_like(right), where=below > 0)
    share = wanted if average == "weighted" else (wanted > 0).astype(np.float64)
    values: Array = (each * share).sum(axis=1) / share.sum(axis=1)
    return values
