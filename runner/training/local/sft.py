"""Supervised fine-tuning: a model with an adapter, tokenized rows -> the adapter's weights after the best epoch.

The loop reads top to bottom: epochs, steps, micro batches. Same inputs on the same machine give the same weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from runner.errors import TerminalError
from runner.models.chat import EncodedRow
from runner.progress import Report
from runner.spec.models import Training
from runner.training.local.adapter import snapshot
from runner.training.local.batches import collate, count_labels, effective_batches, micro_batches
from runner.training.local.curve import Curve
from runner.training.local.loss import LossSum, loss_of


@dataclass(frozen=True, slots=True)
class Fit:
    """What training found: the weights of the best epoch, and the way there."""

    weights: dict[str, torch.Tensor]
    best_epoch: int
    curve: Curve


def fit(
    model: Any, train: Sequence[EncodedRow], validation: Sequence[EncodedRow], training: Training, report: Report
) -> Fit:
    """Train `model` in place and return the best epoch's adapter."""
    run = _Run(model, train, training, report)
    best_loss = run.evaluate(0, validation)
    run.curve.end_epoch(0, 0, None, best_loss)
    best_loss, best_epoch, weights = math.inf, 0, {}
    for epoch in range(1, training.num_epochs + 1):
        train_loss = run.train_epoch(epoch, train)
        validation_loss = run.evaluate(epoch, validation)
        run.curve.end_epoch(epoch, run.step, train_loss, validation_loss)
        # Without validation rows the last epoch is the best one known.
        if validation_loss is None or validation_loss < best_loss:
            best_loss, best_epoch, weights = validation_loss or 0.0, epoch, snapshot(model)
        if training.early_stopping and epoch - best_epoch >= training.early_stopping.patience:
            break
    return Fit(weights, best_epoch, run.curve)


def learning_rate_factor(step: int, steps: int, training: Training) -> float:
    """Return the share of the peak learning rate that step `step` of `steps` (from 1) uses."""
    warmup = math.ceil(training.warmup_ratio * steps)
    if step <= warmup:
        return step / warmup
    progress = (step - 1 - warmup) / max(1, steps - warmup)
    match training.lr_scheduler:
        case "linear":
            return 1.0 - progress
        case "cosine":
            return 0.5 * (1.0 + math.cos(math.pi * progress))
        case "constant":
            return 1.0


class _Run:
    """The moving parts of one training run."""

    def __init__(self, model: Any, train: Sequence[EncodedRow], training: Training, report: Report) -> None:
        self.model = model
        self.training = training
        self.device: torch.device = next(model.parameters()).device
        self.loss: LossSum = loss_of(model, collate(train[:1], self.device))
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
        )
        self.curve = Curve(training.num_epochs, math.ceil(len(train) / training.batch_size), report)
        self.step = 0

    def train_epoch(self, epoch: int, train: Sequence[EncodedRow]) -> float:
        """Learn every row once; return the mean loss of a learned token."""
        self.model.train()
        total, labels = 0.0, 0
        for batch in effective_batches(train, self.training.batch_size, self.training.seed, epoch):
            self.step += 1
            loss, count = self._train_step(batch, epoch)
            total, labels = total + loss * count, labels + count
        return total / labels

    def _train_step(self, batch: Sequence[EncodedRow], epoch: int) -> tuple[float, int]:
        """Do one optimizer step; return the batch's mean loss and how many tokens that is the mean of."""
        rate = self.training.learning_rate * learning_rate_factor(self.step, self.curve.steps, self.training)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        started, labels, total, tokens = time.monotonic(), count_labels(batch), 0.0, 0
        for rows in micro_batches(batch, self.training.micro_batch_size, self.device):
            micro = collate(rows, self.device)
            loss = self.loss(micro)
            # Divided by the labels of the whole batch, so that cutting it differently gives the same gradient.
            (loss / labels).backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
            tokens += micro.tokens
            self.curve.show_again()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.training.max_grad_norm)
        self._check(total / labels, float(norm), epoch)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.curve.add_step(epoch, self.step, total / labels, rate, tokens, time.monotonic() - started)
        return total / labels, labels

    def evaluate(self, epoch: int, validation: Sequence[EncodedRow]) -> float | None:
        """Return the mean loss of the validation rows' answers, or None without rows."""
        if not validation:
            return None
        self.model.eval()
        total, done = 0.0, 0
        for rows in micro_batches(validation, "auto", self.device):
            self.curve.show(epoch, self.step, f"validating, {done} of {len(validation)} rows")
            with torch.no_grad():
                total += float(self.loss(collate(rows, self.device)))
            done += len(rows)
        mean = total / count_labels(validation)
        self._check(mean, 0.0, epoch)
        return mean

    def _check(self, loss: float, norm: float, epoch: int) -> None:
        if math.isfinite(loss) and math.isfinite(norm):
            return
        what = f"loss is {loss}" if not math.isfinite(loss) else f"gradient norm is {norm}"
        raise TerminalError(
            f"training broke down at epoch {epoch}, step {self.step}: the {what}",
            hint=f"lower training.learning_rate (now {self.training.learning_rate:g})",
        )
