"""What one side's training cost, from the end of its first optimizer step to the end of its last.

Standard library only: it runs in our interpreter and in a peer's. Loading, tokenizing and the first step (which warms
caches and lazy initialisation) are outside; all threads of the process are inside.
"""

from __future__ import annotations

import json
import resource
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MASKED = -100


@dataclass
class Meter:
    """Notes the clocks at the end of optimizer steps, and what reached the model."""

    steps: int
    marks: dict[int, tuple[float, float]] = field(default_factory=dict)
    """CPU seconds and wall clock when a step ended."""
    learned: list[int] = field(default_factory=list)
    """Learned tokens of each step, as they reached the model."""

    def end_step(self, step: int) -> None:
        """Note that step `step` (from 1) has ended; saying it again changes nothing."""
        if step >= 1 and step not in self.marks:
            usage = resource.getrusage(resource.RUSAGE_SELF)
            self.marks[step] = (usage.ru_utime + usage.ru_stime, time.perf_counter())

    def write(self, out: Path, first_loss: float) -> None:
        """Write result.json: the cost of steps 2 to the last, peak memory, and what shows what was learned."""
        (cpu, wall), (cpu_end, wall_end) = self.marks[1], self.marks[self.steps]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # Linux counts in KiB
        result = {
            "cpu": cpu_end - cpu,
            "wall": wall_end - wall,
            "peak": peak,
            "learned": self.learned,
            "first_loss": first_loss,
        }
        (out / "result.json").write_text(json.dumps(result), encoding="utf-8")


def trainer_callback(meter: Meter) -> Any:
    """Return a callback of transformers' Trainer that feeds `meter`; what TRL and LLaMA-Factory train with."""
    from transformers import TrainerCallback

    pending: list[int] = []

    def count(_: Any, __: Any, inputs: dict[str, Any]) -> None:
        # A row's first token has nothing before it and is never predicted.
        pending.append(int((inputs["labels"][:, 1:] != MASKED).sum()))

    class Feed(TrainerCallback):
        def on_train_begin(self, *_: Any, model: Any, **__: Any) -> None:
            model.register_forward_pre_hook(count, with_kwargs=True)

        def on_step_end(self, _: Any, state: Any, *__: Any, **___: Any) -> None:
            meter.learned.append(sum(pending))
            pending.clear()
            meter.end_step(state.global_step)

    return Feed()


def read_job(folder: Path) -> dict[str, Any]:
    """Return what every side must train alike."""
    job: dict[str, Any] = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    return job


def read_tokens(folder: Path) -> dict[str, list[list[int]]]:
    """Return the columns of the training rows, tokenized and masked, in the order in which they are learned."""
    rows = [json.loads(line) for line in (folder / "tokens.jsonl").read_text(encoding="utf-8").splitlines()]
    return {name: [row[name] for row in rows] for name in ("input_ids", "labels")}
