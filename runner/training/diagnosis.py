"""The lines of a training run -> what is wrong with it: finding, cause and remedy, as data and in words.

Pure and without torch: shown live while a run goes on, and derived again from its stored lines for the report.
Thresholds follow what practitioners' guides agree on (Axolotl's docs/training_stability, OpenAI's fine-tuning guide);
each is a constant with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from runner.spec.models import Training
from runner.training.curve import best_evaluation

Lines = Sequence[dict[str, Any]]

ENOUGH_STEPS = 20
"""Steps before the course of the loss is judged; earlier it is warm-up and chance."""
NOT_FALLING = 0.98
"""A loss that after an epoch is still above this share of where it began does not fall."""
SLOW_GAIN = 0.01
"""Improvement of the validation loss from one epoch to the next that is hardly worth the epoch."""
DIVERGING = 1.5
"""A recent loss above this multiple of the lowest one so far diverges."""
OVERFIT = 1.3
"""Validation loss above this multiple of the training loss: the rows are learned by heart."""
USUAL_RATE = {"full": (1e-6, 1e-4), "adapter": (1e-5, 5e-3), "dpo": (5e-7, 5e-4)}
"""Learning rates that are usual: all weights change a little, or a few new ones much."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that looks wrong."""

    code: str
    """Stable name, such as `overfitting`."""
    message: str
    """What was seen, with figures."""
    cause: str
    """What usually causes it."""
    remedy: str
    """What to change."""


def diagnose(lines: Lines, training: Training, *, longest_answer: int = 0, max_new_tokens: int = 0) -> list[Finding]:
    """Return what looks wrong, the gravest first.

    Args:
        lines: steps and evaluations of a run, oldest first; see `training.local.stream`.
        training: its hyperparameters.
        longest_answer: tokens of the longest training answer; 0 if unknown.
        max_new_tokens: tokens that answers may have in prediction and serving; 0 if unknown.
    """
    steps = [line for line in lines if "loss" in line]
    evaluations = [line for line in lines if "validation_loss" in line and line["validation_loss"] is not None]
    return [
        *_course(steps, training),
        *_validation(evaluations, training),
        *_rate(training),
        *_length(longest_answer, max_new_tokens),
    ]


def explain_best(lines: Lines, num_epochs: int) -> str:
    """Return in a sentence which evaluation's weights were kept, and why; empty when nothing was evaluated."""
    evaluations = [line for line in lines if "validation_loss" in line]
    best = best_evaluation(evaluations)
    if best is None:
        return ""
    last = evaluations[-1]
    kept = f"Epoch {best['epoch']:g} of {num_epochs} kept"
    early = f"; stopped early after epoch {last['epoch']:g}" if last["epoch"] < num_epochs else ""
    if best["validation_loss"] is None:
        return f"{kept}: the last one, for there are no validation rows{early}."
    loss = f"validation loss {best['validation_loss']:.3f}"
    if best is last:
        return f"{kept}: {loss}, the lowest and the last."
    fell = (last["train_loss"] or 0.0) < (best["train_loss"] or 0.0)
    then = "overfits" if fell else "is worse on both losses"
    return f"{kept}: {loss} is the lowest; epoch {last['epoch']:g} {then} ({last['validation_loss']:.3f}){early}."


def _course(steps: Lines, training: Training) -> Iterator[Finding]:
    if len(steps) < ENOUGH_STEPS:
        return
    window = max(5, len(steps) // 10)
    means = [
        fmean(line["loss"] for line in steps[at : at + window]) for at in range(0, len(steps) - window + 1, window)
    ]
    first, lowest, recent = means[0], min(means), means[-1]
    rate = f"{training.learning_rate:g}"
    if recent > DIVERGING * lowest and recent > 0.5 * first:
        yield Finding(
            "diverging",
            f"the training loss rises again, from {lowest:.3f} to {recent:.3f}",
            "steps are too large, or a few rows contradict the others",
            f"lower training.learning_rate (now {rate}) by 2 to 5 times, or warm up longer",
        )
    elif steps[-1]["epoch"] >= 1 and recent > NOT_FALLING * first:
        yield Finding(
            "not_falling",
            f"the training loss does not fall ({first:.3f} at the beginning, {recent:.3f} now)",
            "steps are too small, the adapter too narrow, or questions and answers have nothing to do with each other",
            f"raise training.learning_rate (now {rate}) 3 to 10 times; look at rows with `gitune data preview`",
        )


def _validation(evaluations: Lines, training: Training) -> Iterator[Finding]:
    trained = [line for line in evaluations if line["step"] and line["train_loss"]]
    if not trained:
        return
    best = min(trained, key=lambda line: line["validation_loss"])
    last = trained[-1]
    if last["validation_loss"] > OVERFIT * last["train_loss"] and last is not best:
        above = last["validation_loss"] / last["train_loss"] - 1
        yield Finding(
            "overfitting",
            f"at epoch {last['epoch']:g} the validation loss {last['validation_loss']:.3f} is {above:.0%} above the "
            f"training loss {last['train_loss']:.3f}; it was {best['validation_loss']:.3f} at epoch {best['epoch']:g}",
            "the model learns the training rows by heart",
            "train fewer epochs, add rows, or add training.lora.dropout; the weights of the best evaluation are kept",
        )
    elif last is best:
        earlier = [line for line in trained if line["epoch"] <= last["epoch"] - 1]
        gain = 1 - last["validation_loss"] / earlier[-1]["validation_loss"] if earlier else 1.0
        start = evaluations[0]["validation_loss"]
        if gain < SLOW_GAIN and last["validation_loss"] > 0.5 * start:
            yield Finding(
                "falling_slowly",
                f"the validation loss fell by {gain:.1%} in the last epoch and is still {last['validation_loss']:.3f}",
                "steps are too small for the number of epochs",
                f"raise training.learning_rate (now {training.learning_rate:g}) 2 to 5 times, or train longer",
            )


def _rate(training: Training) -> Iterator[Finding]:
    kind = "dpo" if training.objective == "dpo" else "full" if training.method == "full" else "adapter"
    low, high = USUAL_RATE[kind]
    if not low <= training.learning_rate <= high:
        yield Finding(
            "unusual_learning_rate",
            f"training.learning_rate {training.learning_rate:g} is out of the usual range for "
            f"{training.objective} with method {training.method}",
            "a typing error, or a value meant for another method",
            f"{low:g} to {high:g} is usual",
        )


def _length(longest_answer: int, max_new_tokens: int) -> Iterator[Finding]:
    if 0 < max_new_tokens < longest_answer:
        yield Finding(
            "answers_truncated",
            f"training answers have up to {longest_answer} tokens, but answers may only have {max_new_tokens}",
            "evaluation.generation.max_new_tokens cuts answers off",
            f"set evaluation.generation.max_new_tokens to {longest_answer} or more",
        )
