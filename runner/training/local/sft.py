"""Supervised fine-tuning: a model, tokenized rows -> the trained weights of the best evaluation.

The loop reads top to bottom: steps, passes. Same inputs on the same machine give the same weights, also when the
process is killed on the way and another one goes on from the last checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from runner.errors import TerminalError
from runner.models.chat import EncodedRow
from runner.progress import Report
from runner.spec.models import Training
from runner.training.curve import best_evaluation
from runner.training.local.adapter import snapshot
from runner.training.local.batches import PassLimit, count_labels, effective_batches
from runner.training.local.checkpoints import Checkpoints, State
from runner.training.local.forward import Forward, open_forward
from runner.training.local.live import Live
from runner.training.local.loss import loss_sum
from runner.training.local.memory import Memory, out_of_memory
from runner.training.local.parallel import Group, alike, gathered, laid_out
from runner.training.local.precision import autocast
from runner.training.local.stream import Stream
from runner.training.local.tracking import Follower


@dataclass(frozen=True, slots=True)
class Fit:
    """What training found: the weights of the best evaluation, and the way there."""

    weights: dict[str, torch.Tensor]
    stream: Stream
    shares_prefixes: bool
    """Whether shared beginnings were computed once; False where the model's attention does not allow it."""
    resumed_from: int
    """Step from which this process went on; 0 for a run from its beginning."""


@dataclass(frozen=True, slots=True)
class Data:
    """Tokenized rows."""

    train: Sequence[EncodedRow]
    validation: Sequence[EncodedRow]


def fit(
    model: Any,
    data: Data,
    training: Training,
    limit: PassLimit,
    checkpoints: Checkpoints,
    report: Report,
    group: Group | None = None,
    follow: Follower = lambda _: None,
) -> Fit:
    """Train `model` in place, from the last checkpoint if there is one, and return the best weights.

    Every process of a `group` calls this alike; by default there is one. The weights come back in the one that leads.
    `follow` is told every line.

    Raises:
        TerminalError: when the loss or gradient is not a number; names the rows that did it.
        GituneError: when not even one row fits into memory.
    """
    network = model.get_base_model() if hasattr(model, "get_base_model") else model
    with open_forward(network) as forward:
        group = group or Group(network.device)
        run = _Run(model, network, forward, data, training, limit, checkpoints, report, group, follow)
        resumed_from = run.resume()
        run.learn()
        return Fit(run.best, run.stream, forward.shares_prefixes, resumed_from)


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

    def __init__(
        self,
        model: Any,
        network: Any,
        forward: Forward,
        data: Data,
        training: Training,
        limit: PassLimit,
        checkpoints: Checkpoints,
        report: Report,
        group: Group,
        follow: Follower,
    ) -> None:
        self.group = group
        self.model, self.network, self.forward = model, network, forward
        self.data, self.training = data, training
        self.memory = Memory(network, limit)
        self.checkpoints = checkpoints
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.optimizer = torch.optim.AdamW(
            alike(self.parameters.values()), lr=training.learning_rate, weight_decay=training.weight_decay, fused=True
        )
        self.steps_per_epoch = math.ceil(len(data.train) / training.batch_size)
        self.steps = training.num_epochs * self.steps_per_epoch
        self.step = 0
        self.stalled = False
        """Whether early stopping ends the run."""
        self.best: dict[str, torch.Tensor] = {}
        file = checkpoints.folder / "metrics.jsonl" if checkpoints.folder else None
        self.stream = Stream(file, writes=group.leads, follow=follow)
        self.live = Live(training.num_epochs, self.steps, report)

    def resume(self) -> int:
        """Take up the last checkpoint, if there is one; return its step."""
        state = self.checkpoints.load()
        found = state is not None and self.stream.resume(state.step)
        # All go on from there, or none.
        if not self.group.least(found) or state is None:
            self.stream.start()
            return 0
        self._restore(state)
        self.stalled = self._stalls()
        self.live.go_on(self.stream.lines)
        self.live.say(f"going on after step {self.step} of {self.steps}, from the last checkpoint")
        return self.step

    def learn(self) -> None:
        """Do the steps that are left, and evaluate where it is due."""
        if not self.forward.shares_prefixes:
            self.live.say("this model's attention cannot share what rows begin with, so they are padded")
        if self.step == 0:
            self._evaluate()
        for batch in self._batches_left():
            self._train_step(batch)
            if self._evaluation_due():
                self._evaluate()
            if self.group.leaders(self.checkpoints.due(last=self.step == self.steps or self.stalled)):
                self._save()

    def _batches_left(self) -> Iterator[list[EncodedRow]]:
        """Yield the batches that come after the current step, until the last or until early stopping."""
        while self.step < self.steps:
            epoch, index = divmod(self.step, self.steps_per_epoch)
            batches = effective_batches(self.data.train, self.training.batch_size, self.training.seed, epoch + 1)
            for batch in batches[index:]:
                if self.stalled:
                    return
                self.step += 1
                yield batch

    def _train_step(self, batch: Sequence[EncodedRow]) -> None:
        """Do one optimizer step."""
        self.model.train()
        rate = self.training.learning_rate * learning_rate_factor(self.step, self.steps, self.training)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        started, labels = time.monotonic(), count_labels(batch)
        self.group.vary(self.training.seed, self.step)
        loss = self.group.sum(self._fitting(partial(self._accumulate, batch, labels))) / labels
        self.group.add_up(self.parameters.values())
        norm = self.group.clip(self.parameters.values(), self.training.max_grad_norm)
        self._check(norm, "gradient norm", batch)
        with self.memory.of_optimizer():
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.stream.add(
            {
                "step": self.step,
                "epoch": self._epoch(),
                "loss": loss,
                "learning_rate": rate,
                "grad_norm": norm,
                "tokens": sum(len(row.input_ids) for row in batch),
                "labels": labels,
                "seconds": round(time.monotonic() - started, 3),
            }
        )
        self.live.stepped(self.stream.lines[-1])

    def _accumulate(self, batch: Sequence[EncodedRow], labels: float) -> float:
        """Add up the gradients of this process's passes; return their summed loss."""
        self.optimizer.zero_grad(set_to_none=True)
        total = 0.0
        for rows in self._passes(batch):
            loss = self._loss(rows)
            # By the labels of the whole batch, so that cutting it differently gives the same gradient.
            (loss / labels).backward()  # type: ignore[no-untyped-call]
            total += self._check(float(loss.detach()), "loss", rows)
            self.live.again()
        return total

    def _fitting(self, work: Callable[[], float]) -> float:
        """Do passes, and do them again with smaller ones where memory runs out."""
        while True:
            try:
                return work()
            except (MemoryError, RuntimeError) as error:
                # A pass over split weights is everyone's, and the others are in the middle of it.
                if not out_of_memory(error) or self.group.sharded:
                    raise
                self.live.say(self.memory.shrink(error))

    def _evaluate(self) -> None:
        """Note the validation loss, or that there are no validation rows; keep the weights if they are the best."""
        self.model.eval()
        rows = self.data.validation
        loss = self.group.sum(self._fitting(self._validate)) / count_labels(rows) if rows else None
        self.stream.add(
            {
                "step": self.step,
                "epoch": self._epoch(),
                "train_loss": self.stream.train_loss(),
                "validation_loss": loss,
                "seconds": self.live.seconds,
            }
        )
        if best_evaluation(self.stream.evaluations) is self.stream.lines[-1]:
            best = snapshot(self.model)
            self.best = best if self.group.leads else {}
        self.stalled = self._stalls()
        self.live.evaluated(self.stream, self.training)

    def _validate(self) -> float:
        """Return the summed loss of this process's validation passes."""
        rows, total, done = self.data.validation, 0.0, 0
        for some in self._passes(rows):
            self.live.show(self.step, f"validating, {done} of {len(rows)} rows")
            with torch.no_grad():
                total += self._check(float(self._loss(some)), "loss", some)
            done += len(some)
        return total

    def _passes(self, rows: Sequence[EncodedRow]) -> Iterator[list[EncodedRow]]:
        return self.group.level(self.forward.passes(self.group.share(rows), self.memory.limit), rows)

    def _loss(self, rows: Sequence[EncodedRow]) -> torch.Tensor:
        self.memory.holding(rows)
        with autocast(self.network.device):
            return loss_sum(self.network, self.forward(rows), plain_head=self.forward.plain_head)

    def _evaluation_due(self) -> bool:
        return self.step % (self.training.eval_steps or self.steps_per_epoch) == 0 or self.step == self.steps

    def _stalls(self) -> bool:
        """Return whether too many evaluations came after the best one."""
        trained = [line for line in self.stream.evaluations if line["step"]]
        best = best_evaluation(trained)
        stopping = self.training.early_stopping
        return stopping is not None and best is not None and len(trained) - 1 - trained.index(best) >= stopping.patience

    def _epoch(self) -> float:
        epoch = self.step / self.steps_per_epoch
        return int(epoch) if epoch.is_integer() else round(epoch, 3)

    def _check(self, value: float, what: str, rows: Sequence[EncodedRow]) -> float:
        if math.isfinite(value):
            return value
        raise TerminalError(
            f"training broke down at epoch {self._epoch():g}, step {self.step}: the {what} is {value} "
            f"for rows {_names(rows)}",
            hint=f"look at these rows, or lower training.learning_rate (now {self.training.learning_rate:g})",
        )

    def _save(self) -> None:
        optimizer = {
            f"{name}/{kind}": gathered(value)
            for name, parameter in self.parameters.items()
            for kind, value in self.optimizer.state[parameter].items()
        }
        weights = {name: gathered(parameter.detach()) for name, parameter in self.parameters.items()}
        if not self.group.leads:
            return
        parts = {"weights": weights, "optimizer": optimizer, "random": _random_state(self.network.device)}
        state = State(self.step, parts | ({"best": self.best} if self.best else {}))
        # A checkpoint without its lines would be of no use.
        if problem := self.stream.sync() or self.checkpoints.save(state):
            self.checkpoints.postpone()
            self.live.say(f"no checkpoint could be written ({problem}); training goes on")

    def _restore(self, state: State) -> None:
        self.step = state.step
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(laid_out(state.parts["weights"][name], parameter))
        for key, value in state.parts["optimizer"].items():
            name, _, kind = key.rpartition("/")
            parameter = self.parameters[name]
            self.optimizer.state[parameter][kind] = (
                laid_out(value, parameter) if value.ndim else value.to(parameter.device)
            )
        _set_random_state(state.parts["random"], self.network.device)
        self.best = dict(state.parts.get("best", {}))


def _names(rows: Sequence[EncodedRow], shown: int = 8) -> str:
    more = f" and {len(rows) - shown} more" if len(rows) > shown else ""
    return ", ".join(row.id for row in rows[:shown]) + more


def _random_state(device: torch.device) -> dict[str, torch.Tensor]:
    state = {"cpu": torch.get_rng_state()}
    return state | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


def _set_random_state(state: Mapping[str, torch.Tensor], device: torch.device) -> None:
    torch.set_rng_state(state["cpu"])
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)
