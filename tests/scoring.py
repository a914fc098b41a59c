"""Rows, answers and labels, as tests of metrics write them."""

from __future__ import annotations

import numpy as np

from runner.data.prompts import prompt_of
from runner.data.rows import Row
from runner.evaluation.classification import classification_values
from runner.evaluation.metrics import score_answers
from runner.evaluation.stored import Answers


def row(question, answer):
    return Row(f"id-{question}", [{"role": "user", "content": question}, {"role": "assistant", "content": answer}])


def scored(pairs, metrics=("exact_match",), label=None, contract=None, **more):
    """Score (reference, answer) pairs."""
    rows = [row(f"question {number}", reference) for number, (reference, _) in enumerate(pairs)]
    answers = {prompt_of(r).id: answer for r, (_, answer) in zip(rows, pairs, strict=True)}
    return score_answers(rows, Answers.of(answers), metrics, label, contract, **more)


def of_labels(metric: str, pairs) -> float:
    return float(classification_values(metric, pairs, np.ones((1, len(pairs))))[0])


def macro_f1(pairs) -> float:
    return of_labels("macro_f1", pairs)
