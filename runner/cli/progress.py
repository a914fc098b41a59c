"""Show work as it happens, on stderr: live bars on a terminal, plain lines elsewhere, never ten seconds of silence."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import click

from runner.plan.decision import Decision
from runner.progress import Progress
from runner.registry.facts import Record

LINE_EVERY = 5.0  # seconds between plain lines of one kind of work
SILENCE = 8.0  # seconds after which a plain line says that work goes on


@dataclass(slots=True)
class _Doing:
    """What one thread is at."""

    spec: str = ""
    what: str = ""
    started: float = field(default_factory=time.monotonic)
    line_at: float = 0.0


class Narrator:
    """Tells decisions, progress and results; a `Watcher` and a `Report` in one.

    Args:
        several: whether specs are worked on side by side, each in its own thread: then every line names its spec.
        idle: specs that the plan counts as up to date; that their steps are reused is not told again.
    """

    def __init__(self, *, several: bool = False, idle: frozenset[str] = frozenset()) -> None:
        self._several = several
        self._idle = idle
        self._live = _Bars() if sys.stderr.isatty() else None
        self._lock = threading.RLock()
        self._last = time.monotonic()
        self._doing: dict[int, _Doing] = {}
        self._finished: list[str] = []
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
        if kind is not None and not issubclass(kind, Exception) and self._finished:
            click.echo(f"stopped; finished before that: {', '.join(self._finished)}", err=True)

    def decided(self, spec: str, decision: Decision) -> None:
        """Say what is about to happen."""
        with self._lock:
            self._doing[threading.get_ident()] = _Doing(spec, decision.step)
            mark = {"RUN": "+", "REUSE": "=", "WAIT": "~", "BLOCKED": "!"}.get(decision.action, "-")
            if spec not in self._idle or decision.action not in ("REUSE", "NONE"):
                self._say(f"{mark} {spec} {decision.step}: {decision.action} {decision.reason}")
            if decision.action not in ("RUN", "WAIT"):
                del self._doing[threading.get_ident()]

    def finished(self, spec: str, decision: Decision, record: Record | None) -> None:
        """Say what came of it and how long it took."""
        with self._lock:
            doing = self._doing.pop(threading.get_ident(), _Doing())
            if self._live is not None:
                self._live.clear(threading.get_ident())
            self._finished.append(f"{spec} {decision.step}")
            self._say(f"  {spec} {decision.step}: done in {time.monotonic() - doing.started:.1f} s{_numbers(record)}")

    def report(self, progress: Progress) -> None:
        """Show one sign of life of what this thread is at."""
        with self._lock:
            doing = self._doing.setdefault(threading.get_ident(), _Doing())
            if self._live is not None:
                self._live.show(threading.get_ident(), progress, self._prefix(doing))
                return
            now = time.monotonic()
            last = progress.total > 0 and progress.done >= progress.total
            if progress.what != doing.what or last or now - doing.line_at >= LINE_EVERY:
                doing.what, doing.line_at = progress.what, now
                self._say(f"    {self._prefix(doing)}{_words(progress)}")

    def _prefix(self, doing: _Doing) -> str:
        return f"{doing.spec}: " if self._several else ""

    def _say(self, line: str) -> None:
        self._last = time.monotonic()
        if self._live is not None:
            self._live.print(line)
        else:
            click.echo(line, err=True)

    def _beat(self) -> None:
        while not self._stop.wait(1.0):
            with self._lock:
                now = time.monotonic()
                if now - self._last < SILENCE:
                    continue
                # What failed is told by nobody; its thread has ended, or is at something else by now.
                running = {thread.ident for thread in threading.enumerate()}
                for doing in (found for thread, found in self._doing.items() if thread in running):
                    self._say(f"    {self._prefix(doing)}{doing.what} … {now - doing.started:.0f} s")


class _Bars:
    """Live bars, one for each thread at work, drawn by rich, which is imported only when a person is watching."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._bars = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[note]}", markup=False),
            TimeElapsedColumn(),
            console=Console(stderr=True, highlight=False, markup=False),
            transient=True,
        )
        self._tasks: dict[int, tuple[str, Any]] = {}

    def show(self, thread: int, progress: Progress, prefix: str) -> None:
        if thread not in self._tasks or self._tasks[thread][0] != progress.what:
            self.clear(thread)
            self._bars.start()
            self._tasks[thread] = (progress.what, self._bars.add_task(prefix + progress.what, total=None, note=""))
        count = f"{progress.done}/{progress.total} {progress.unit}" if progress.total else ""
        self._bars.update(
            self._tasks[thread][1],
            completed=progress.done,
            total=progress.total or None,
            note=f"{count} {progress.note}".strip(),
        )

    def print(self, line: str) -> None:
        self._bars.console.print(line)

    def clear(self, thread: int | None = None) -> None:
        """Take away the bar of a thread, or all."""
        for gone in [thread] if thread is not None else list(self._tasks):
            if gone in self._tasks:
                self._bars.remove_task(self._tasks.pop(gone)[1])
        if not self._tasks:
            self._bars.stop()


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
