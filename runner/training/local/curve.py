"""The loss curve while it grows, and the lines people see meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from runner.progress import Progress, Report

STEP_POINTS = 60
"""Points between the ends of epochs, at most; enough to draw, few enough to read."""


@dataclass
class Curve:
    """Collects points and reports progress."""

    epochs: int
    steps_per_epoch: int
    report: Report
    points: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    """Tokens learned from so far, without padding."""
    busy: float = 0.0
    """Seconds spent in optimizer steps, without validation."""
    _started: float = field(default_factory=time.monotonic)
    _losses: list[float] = field(default_factory=list)
    _shown: Progress = field(default_factory=lambda: Progress("training"))

    @property
    def seconds(self) -> float:
        """Seconds since training started."""
        return time.monotonic() - self._started

    @property
    def steps(self) -> int:
        """Steps that all epochs together would take."""
        return self.epochs * self.steps_per_epoch

    def show(self, epoch: int, step: int, note: str) -> None:
        """Say where training is."""
        self._shown = Progress(f"training, epoch {epoch}/{self.epochs}", step, self.steps, "steps", note)
        self.report(self._shown)

    def show_again(self) -> None:
        """Say that work goes on; a step can take long."""
        self.report(self._shown)

    @property
    def speed(self) -> float:
        """Tokens learned per second."""
        return self.tokens / self.busy if self.busy else 0.0

    def add_step(self, epoch: int, step: int, loss: float, learning_rate: float, tokens: int, seconds: float) -> None:
        """Note an optimizer step; every few of them become a point."""
        self._losses.append(loss)
        self.tokens += tokens
        self.busy += seconds
        left = self.busy / step * (self.steps - step)
        self.show(epoch, step, f"loss {loss:.3f}, {self.speed:.0f} tokens/s, {left:.0f} s left")
        if step % -(-self.steps // STEP_POINTS) == 0 and step % self.steps_per_epoch:
            self._add(step / self.steps_per_epoch, step, self._recent(), None, learning_rate)

    def end_epoch(self, epoch: int, step: int, train_loss: float | None, validation_loss: float | None) -> None:
        """Note the end of an epoch, or with epoch 0 the untrained model."""
        self._recent()
        self._add(epoch, step, train_loss, validation_loss, None)
        if validation_loss is not None:
            self.show(epoch, step, f"validation loss {validation_loss:.4f}")

    def _recent(self) -> float | None:
        mean = sum(self._losses) / len(self._losses) if self._losses else None
        self._losses.clear()
        return mean

    def _add(self, epoch: float, step: int, train: float | None, validation: float | None, rate: float | None) -> None:
        self.points.append(
            {
                "epoch": round(epoch, 3),
                "step": step,
                "train_loss": train,
                "validation_loss": validation,
                "learning_rate": rate,
                "seconds": round(self.seconds, 1),
            }
        )
