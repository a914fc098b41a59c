"""Show work as it happens, on stderr: live bars on a terminal, plain lines elsewhere, never ten seconds of silence."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Self

import click

from runner.plan.walk import Decision
from runner.progress import Progress
from runner.registry.facts import Record

LINE_EVERY = 5.0  # seconds between plain lines of one kind of work
SILENCE = 8.0  # seconds after which a plain line says that work goes on


class Narrator:
    """Tells decisions, progress and results; a `Watcher` and a `Report` in one."""

    def __init__(self) -> None:
        self._live = _Bars() if sys.stderr.isatty() else None
        self._lock = threading.Lock()
        self._last = time.monotonic()
        self._line_at = 0.0
        self._what = ""
        self._started = time.monotonic()
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        if self._live is None:
            self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._live is not None:
            self._live.clear()

    def decided(self, spec: str, decision: Decision) -> None:
        """Say what is about to happen."""
        self._started = time.monotonic()
        self._what = decision.step
        mark = {"RUN": "+", "REUSE": "=", "BLOCKED": "!"}.get(decision.action, "-")
        self._say(f"{mark} {spec} {decision.step}: {decision.action} {decision.reason}")

    def finished(self, spec: str, decision: Decision, record: Record | None) -> None:
        """Say what came of it and how long it took."""
        if self._live is not None:
            self._live.clear()
        self._say(f"  {spec} {decision.step}: done in {time.monotonic() - self._started:.1f} s{_numbers(record)}")

    def report(self, progress: Progress) -> None:
        """Show one sign of life."""
        if self._live is not None:
            self._live.show(progress)
            return
        now = time.monotonic()
        last = progress.total > 0 and progress.done >= progress.total
        if progress.what != self._what or last or now - self._line_at >= LINE_EVERY:
            self._what, self._line_at = progress.what, now
            self._say(f"    {_words(progress)}")

    def _say(self, line: str) -> None:
        with self._lock:
            self._last = time.monotonic()
            if self._live is not None:
                self._live.print(line)
            else:
                click.echo(line, err=True)

    def _beat(self) -> None:
        while not self._stop.wait(1.0):
            if time.monotonic() - self._last >= SILENCE:
                self._say(f"    {self._what} … {time.monotonic() - self._started:.0f} s")


class _Bars:
    """One live bar at a time, drawn by rich, which is imported only when a person is watching."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._bars = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True, highlight=False, markup=False),
            transient=True,
        )
        self._task: tuple[str, object] | None = None

    def show(self, progress: Progress) -> None:
        if self._task is None or self._task[0] != progress.what:
            self.clear()
            self._bars.start()
            self._task = (progress.what, self._bars.add_task(progress.what, total=None, note=""))
        count = f"{progress.done}/{progress.total} {progress.unit}" if progress.total else ""
        self._bars.update(
            self._task[1],  # type: ignore[arg-type]  # rich's TaskID, whose module is imported late
            completed=progress.done,
            total=progress.total or None,
            note=f"{count} {progress.note}".strip(),
        )

    def print(self, line: str) -> None:
        self._bars.console.print(line)

    def clear(self) -> None:
        if self._task is not None:
            self._bars.stop()
            self._bars.remove_task(self._task[1])  # type: ignore[arg-type]  # as above
            self._task = None


def _words(progress: Progress) -> str:
    count = f" {progress.done}/{progress.total} {progress.unit}" if progress.total else ""
    return f"{progress.what}{count} {progress.note}".rstrip()


def _numbers(record: Record | None) -> str:
    """Pick the few numbers of a record that fit a line."""
    if record is None:
        return ""
    metrics = record.metrics
    match record.step:
        case "prepare":
            return ", rows " + ", ".join(f"{name} {count}" for name, count in metrics["rows"].items())
        case "train":
            loss = metrics.get("validation_loss")
            return f", best epoch {metrics['best_epoch']}" + (f", validation loss {loss:.3f}" if loss else "")
        case "score":
            return ""
        case "gate":
            return f", {metrics['outcome']}"
        case _:
            return f", {metrics['answers']} answers"
