"""TRL's DPOTrainer with what is ours: token ids as they are served, optimizer and schedule of `sft`, the lines of the
loss curve, which weights are kept, and checkpoints that are whole or not taken.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, Trainer, TrainerCallback
from trl import DPOConfig, DPOTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from runner.errors import TerminalError
from runner.progress import Report
from runner.spec.models import Training
from runner.training.curve import Line, best_evaluation
from runner.training.local.adapter import adapter_config, snapshot
from runner.training.local.batches import PassLimit
from runner.training.local.live import Live
from runner.training.local.pairs import EncodedPair
from runner.training.local.precision import has_fast_bf16
from runner.training.local.seals import UNWRITABLE, newest_sealed, seal
from runner.training.local.sft import learning_rate_factor
from runner.training.local.stream import Stream
from runner.training.local.tracking import Follower

REWARDS = ("rewards/accuracies", "rewards/margins")
"""What the lines tell beside losses, under TRL's names: the share of pairs whose chosen answer is the likelier one
compared with the base model, and by how much, times beta."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Tokenized preference data."""

    train: Sequence[EncodedPair]
    validation: Sequence[EncodedPair]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run keeps its checkpoints, and how often it writes one."""

    folder: Path | None
    seconds: float
    follow: Follower = lambda _: None
    """Told every line."""


def _config(training: Training, pairs: Pairs, limit: PassLimit, output: Path) -> DPOConfig:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    longest = max(len(pair.together().input_ids) for pair in (*pairs.train, *pairs.validation))
    most = limit.rows or max(1, limit.tokens // longest)
    micro = max(size for size in range(1, training.batch_size + 1) if training.batch_size % size == 0 and size <= most)
    return DPOConfig(
        output_dir=str(output),
        beta=training.dpo.beta,
        max_length=None,
        # TRL takes all dropout out by default, the adapter's too.
        disable_dropout=training.lora.dropout == 0,
        num_train_epochs=training.num_epochs,
        per_device_train_batch_size=micro,
        per_device_eval_batch_size=micro,
        gradient_accumulation_steps=training.batch_size // micro,
        max_grad_norm=training.max_grad_norm,
        gradient_checkpointing=False,
        bf16=has_fast_bf16(device),
        use_cpu=device.type == "cpu",
        dataloader_pin_memory=device.type == "cuda",
        seed=training.seed,
        remove_unused_columns=False,
        # `_Watch` says when.
        logging_strategy="no",
        eval_strategy="no",
        save_strategy="no",
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
    )


class PreferenceTrainer(DPOTrainer):  # type: ignore[misc]
    """TRL's trainer with our tokens, optimizer, curve and checkpoints."""

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        pairs: Pairs,
        training: Training,
        limit: PassLimit,
        place: Place,
        nowhere: Path,
        report: Report,
    ) -> None:
        self.pairs, self.training, self.place = pairs, training, place
        self.stream = Stream(place.folder / "metrics.jsonl" if place.folder else None, follow=place.follow)
        self.best: dict[str, torch.Tensor] = {}
        self.done = 0
        """Steps that an earlier process did."""
        self.steps_per_epoch = math.ceil(len(pairs.train) / training.batch_size)
        self.steps = training.num_epochs * self.steps_per_epoch
        self.live = Live(training.num_epochs, self.steps, report)
        self.tokens, self.seen = 0, dict.fromkeys((*REWARDS, "pairs"), 0.0)
        self.started = time.monotonic()
        super().__init__(
            model=model,
            args=_config(training, pairs, limit, place.folder or nowhere),
            data_collator=_Collator(tokenizer.pad_token_id or tokenizer.eos_token_id or 0),
            train_dataset=_dataset(pairs.train),
            eval_dataset=_dataset(pairs.validation) if pairs.validation else None,
            processing_class=tokenizer,
            peft_config=adapter_config(model, training),
            callbacks=[_Watch(self)],
        )
        self.remove_callback(PrinterCallback)

    def _prepare_dataset(self, dataset: Dataset, *_: object) -> Dataset:
        """Leave the dataset as it is: TRL would render and tokenize it, with white space that no model writes."""
        return dataset

    def create_optimizer(self, *_: object) -> torch.optim.Optimizer:
        """Return the optimizer of `sft`."""
        trained = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(
            trained, lr=self.training.learning_rate, weight_decay=self.training.weight_decay, fused=True
        )
        return self.optimizer

    def create_scheduler(self, *_: object, **__: object) -> torch.optim.lr_scheduler.LambdaLR:
        """Return the schedule of `sft`."""
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda done: learning_rate_factor(done + 1, self.steps, self.training)
        )
        return self.lr_scheduler

    def compute_loss(self, model: Any, inputs: dict[str, Any], *_: object, **__: object) -> torch.Tensor:
        """Return the mean loss of a pass; in training by its share of the step, for the Trainer averages passes."""
        numbers = inputs.pop("row").tolist()
        loss: torch.Tensor = super().compute_loss(model, inputs)
        mode, part = ("train", self.pairs.train) if self.model.training else ("eval", self.pairs.validation)
        self._check(float(loss.detach()), "loss", ", ".join(part[number].id for number in numbers))
        for name in REWARDS:
            self.seen[name] += self._metrics[mode][name][-1] * len(numbers)
        self.seen["pairs"] += len(numbers)
        self.live.again()
        if mode == "eval":
            return loss
        self.tokens += int(inputs["attention_mask"].sum())
        share: float = len(numbers) * self.current_gradient_accumulation_steps / self._pairs_of_step()
        return loss * share

    def _pairs_of_step(self) -> int:
        """Return how many pairs the current step learns: fewer in the last one of an epoch."""
        before: int = self.state.global_step % self.steps_per_epoch * self.training.batch_size
        return min(self.training.batch_size, len(self.pairs.train) - before)

    def log(self, logs: dict[str, float], *_: object) -> None:
        """Write what the Trainer tells as lines of the curve."""
        self._metrics["train"].clear()
        self._metrics["eval"].clear()
        step = self.state.global_step
        pairs = self.seen["pairs"]
        line: Line = {"step": step, "epoch": self._epoch(step)}
        rewards = {name: self.seen[name] / pairs for name in REWARDS if pairs}
        if "eval_loss" in logs:
            self._evaluated(line, logs["eval_loss"], rewards)
        elif "loss" in logs:
            self._check(logs["grad_norm"], "gradient norm", "the batch")
            line |= {name: logs[name] for name in ("loss", "learning_rate", "grad_norm")} | rewards
            seconds = round(time.monotonic() - self.started, 3)
            self.stream.add(line | {"tokens": self.tokens, "labels": int(pairs), "seconds": seconds})
            self.live.stepped(self.stream.lines[-1])
            if not self.pairs.validation and self.evaluation_due(step):
                self._evaluated({"step": step, "epoch": self._epoch(step)}, None, {})
        self.tokens, self.seen = 0, dict.fromkeys(self.seen, 0.0)
        self.started = time.monotonic()

    def evaluation_due(self, step: int) -> bool:
        """Return whether the weights after a step are evaluated."""
        return step % (self.training.eval_steps or self.steps_per_epoch) == 0 or step == self.steps

    def _evaluated(self, line: Line, loss: float | None, rewards: dict[str, float]) -> None:
        """Note an evaluation, and keep the weights if they are the best."""
        losses = {"train_loss": self.stream.train_loss(), "validation_loss": loss}
        self.stream.add(line | losses | rewards | {"seconds": self.live.seconds})
        if best_evaluation(self.stream.evaluations) is self.stream.lines[-1]:
            self.best = snapshot(self.model)
        self.live.evaluated(self.stream, self.training)

    def stalled(self) -> bool:
        """Return whether early stopping ends the run."""
        trained = [line for line in self.stream.evaluations if line["step"]]
        best, stopping = best_evaluation(trained), self.training.early_stopping
        return stopping is not None and best is not None and len(trained) - 1 - trained.index(best) >= stopping.patience

    def finished(self) -> bool:
        """Return whether an earlier process has done all steps."""
        return self.done == self.steps or self.stalled()

    def begin(self) -> None:
        """See to the evaluation of the untrained model."""
        if self.done == 0 and self.pairs.validation:
            self.args.eval_on_start = True
        elif self.done == 0:
            self._evaluated({"step": 0, "epoch": 0}, None, {})

    def resume(self) -> str | None:
        """Return the last checkpoint, if there is one that fits the stream."""
        found = newest_sealed(self.place.folder) if self.place.folder else None
        if found is None or not self.stream.resume(found.step):
            self.stream.start()
            return None
        self.best, self.done = found.best, found.step
        self.live.say(f"going on after step {self.done} of {self.steps}, from the last checkpoint")
        return str(found.folder)

    def _save_checkpoint(self, model: Any, trial: object) -> None:
        """Write a checkpoint as the Trainer does, without TRL's model card; a full disk must not end the training."""
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        try:
            if problem := self.stream.sync():
                raise OSError(problem)
            Trainer._save_checkpoint(self, model, trial)  # noqa: SLF001 - TRL's own would write a model card
            seal(folder, self.state.global_step, self.best)
        except UNWRITABLE as problem:
            shutil.rmtree(folder, ignore_errors=True)
            self.live.say(f"no checkpoint could be written ({problem}); training goes on")

    def _epoch(self, step: int) -> float:
        epoch = step / self.steps_per_epoch
        return int(epoch) if epoch.is_integer() else round(epoch, 3)

    def _check(self, value: float, what: str, rows: str) -> None:
        if not math.isfinite(value):
            raise TerminalError(
                f"training broke down at epoch {self._epoch(self.state.global_step):g}, step "
                f"{self.state.global_step}: the {what} is {value} for rows {rows}",
                hint=f"look at these rows, or lower training.learning_rate (now {self.training.learning_rate:g})",
            )


class _Watch(TrainerCallback):  # type: ignore[misc]
    """Says when to log, evaluate, save and stop."""

    def __init__(self, trainer: PreferenceTrainer) -> None:
        self._trainer = trainer
        self._next = time.monotonic()

    def on_step_end(self, _: object, state: Any, control: Any, **__: object) -> None:
        """Log each step, then evaluate and save where that is due; the Trainer does it in this order."""
        trainer, step = self._trainer, state.global_step
        control.should_log = True
        control.should_evaluate = bool(trainer.pairs.validation) and trainer.evaluation_due(step)
        now, place = time.monotonic(), trainer.place
        if place.folder is not None and (step == trainer.steps or now >= self._next):
            control.should_save = True
            self._next = now + place.seconds

    def on_evaluate(self, _: object, __: object, control: Any, **___: object) -> None:
        """Stop early."""
        control.should_training_stop |= self._trainer.stalled()


def _dataset(pairs: Sequence[EncodedPair]) -> Dataset:
    return Dataset.from_list([pair.columns() | {"row": number} for number, pair in enumerate(pairs)])


class _Collator:
    """TRL's collator, and which rows a pass holds."""

    def __init__(self, pad: int) -> None:
        self._collate = DataCollatorForPreference(pad)

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, Any]:
        return {**self._collate(examples), "row": torch.tensor([example["row"] for example in examples])}
