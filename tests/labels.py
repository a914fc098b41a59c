"""Classification metrics of labels alone, as tests write them."""

from __future__ import annotations

import numpy as np

from runner.evaluation.classification import classification_values


def of_labels(metric: str, pairs) -> float:
    return float(classification_values(metric, pairs, np.ones((1, len(pairs))))[0])


def macro_f1(pairs) -> float:
    return of_labels("macro_f1", pairs)
