"""Signs of life of a prediction -> the same with what is done in all, how fast it goes and how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from runner.progress import Progress, Report

_MINUTE, _HOUR = 60, 3600
_SOON = 1.0
"""Seconds before which a pace means nothing."""

ANSWERING = "answering"
"""What engines call it."""


@dataclass(slots=True)
class Pace:
    """A `Report` that counts for engines, which know nothing of what an earlier run answered."""

    report: Report
    done: int
    """Answers that are there."""
    total: int
    """Answers that are asked for."""
    clock: Callable[[], float] = time.monotonic
    _fresh: int = 0
    _started: float | None = field(default=None)

    def count(self) -> None:
        """Note one more answer, and tell of it."""
        # Measured from the first one on: loading the model is no part of the pace.
        if self._started is None:
            self._started = self.clock()
        self.done += 1
        self._fresh += 1
        self(Progress(ANSWERING))

    def __call__(self, progress: Progress) -> None:
        """Pass on a sign of life."""
        if progress.what == ANSWERING:
            progress = replace(progress, done=self.done, total=self.total, unit="answers", note=self._note())
        self.report(progress)

    def _note(self) -> str:
        seconds = 0.0 if self._started is None else self.clock() - self._started
        if seconds < _SOON:
            return ""
        rate = (self._fresh - 1) / seconds
        return f"{rate:.1f}/s, {_words((self.total - self.done) / rate)} left" if rate else ""


def _words(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:.1f} h"
