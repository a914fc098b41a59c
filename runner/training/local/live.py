"""The lines people see while training goes on: where it is, how fast, how long still, and what looks wrong."""

from __future__ import annotations

import time
from collections.abc import Sequence

from runner.progress import Progress, Report
from runner.spec.models import Training
from runner.training.curve import Line
from runner.training.diagnosis import diagnose
from runner.training.local.stream import Stream


class Live:
    """Reports progress; counts this process's own speed."""

    def __init__(self, epochs: int, steps: int, report: Report) -> None:
        self._epochs, self._steps, self._report = epochs, steps, report
        self._started, self._before = time.monotonic(), 0.0
        self._shown = Progress("training")
        self._tokens, self._busy, self._done = 0, 0.0, 0
        self._told: set[str] = set()

    @property
    def seconds(self) -> float:
        """Seconds since training began, without those that a kill cost."""
        return round(self._before + time.monotonic() - self._started, 1)

    def go_on(self, lines: Sequence[Line]) -> None:
        """Count on from where an earlier process stopped."""
        self._before = max((line["seconds"] for line in lines if "validation_loss" in line), default=0.0)

    def show(self, step: int, note: str) -> None:
        """Say where training is."""
        epoch = -(-step * self._epochs // self._steps)
        self._shown = Progress(f"training, epoch {epoch}/{self._epochs}", step, self._steps, "steps", note)
        self._report(self._shown)

    def again(self) -> None:
        """Say that work goes on; a step can take long."""
        self._report(self._shown)

    def say(self, what: str) -> None:
        """Say something that happens once."""
        self._report(Progress(f"training: {what}"))

    def stepped(self, line: Line) -> None:
        """Tell about a finished step."""
        self._tokens += line["tokens"]
        self._busy += line["seconds"]
        self._done += 1
        left = self._busy / self._done * (self._steps - line["step"])
        speed = self._tokens / max(self._busy, 1e-9)
        self.show(line["step"], f"loss {line['loss']:.3f}, {speed:.0f} tokens/s, {left:.0f} s left")

    def evaluated(self, stream: Stream, training: Training) -> None:
        """Tell about an evaluation, and what the curve says about the run so far, each finding once."""
        line = stream.evaluations[-1]
        if line["validation_loss"] is not None:
            self.show(line["step"], f"validation loss {line['validation_loss']:.4f}")
        for finding in diagnose(stream.lines, training):
            if finding.code not in self._told:
                self._told.add(finding.code)
                self.say(f"{finding.message}: {finding.remedy}")
