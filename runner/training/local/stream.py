"""What happened in training, line by line: one JSON object per optimizer step and per evaluation.

Appended to `metrics.jsonl` as it happens, so that anything can follow a run; at the end the same lines become the
loss curve, and after a kill they say where the run stood.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from runner.training.curve import Line


class Stream:
    """The lines of a run, in memory and, where there is a folder, in a file; of many processes one writes it."""

    def __init__(
        self, file: Path | None = None, *, writes: bool = True, follow: Callable[[Line], None] = lambda _: None
    ) -> None:
        self.lines: list[Line] = []
        self._follow = follow
        self._behind = False
        """Whether the file lacks lines; a full disk must not end a training."""
        self._file, self._writes = file, writes and file is not None

    def resume(self, step: int) -> bool:
        """Take up the lines of an earlier process up to `step`; False when the file does not reach so far."""
        if self._file is None or not self._file.exists():
            return False
        lines = list(_whole_lines(self._file))
        kept = [line for line in lines if line["step"] <= step]
        if not kept or kept[-1]["step"] != step:
            return False
        self.lines = kept
        self._behind = True
        return self.sync() is None

    def start(self) -> None:
        """Begin an empty file."""
        self.lines = []
        self._behind = True
        self.sync()

    def add(self, line: Line) -> None:
        """Append a line."""
        self.lines.append(line)
        if self._file is not None and self._writes and not self._behind:
            try:
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(line) + "\n")
            except OSError:
                self._behind = True
        self._follow(line)

    def sync(self) -> str | None:
        """Return once every line is on the disk, or why that cannot be."""
        if self._file is None or not self._writes:
            return None
        try:
            if self._behind:
                fresh = self._file.with_suffix(".tmp")
                fresh.write_text("".join(json.dumps(line) + "\n" for line in self.lines), encoding="utf-8")
                fresh.replace(self._file)
            with self._file.open("rb") as file:
                os.fsync(file.fileno())
        except OSError as error:
            return str(error)
        self._behind = False
        return None

    @property
    def steps(self) -> list[Line]:
        """Lines of optimizer steps."""
        return [line for line in self.lines if "loss" in line]

    @property
    def evaluations(self) -> list[Line]:
        """Lines of evaluations; the first is the untrained model's."""
        return [line for line in self.lines if "validation_loss" in line]

    def train_loss(self) -> float | None:
        """Return the mean loss of a learned token since the last evaluation."""
        since = []
        for line in reversed(self.lines):
            if "validation_loss" in line:
                break
            since.append(line)
        labels = sum(line["labels"] for line in since)
        return sum(line["loss"] * line["labels"] for line in since) / labels if labels else None


def _whole_lines(file: Path) -> list[Line]:
    """Return the lines that were written whole; a kill can tear the last one."""
    lines = []
    for text in file.read_text(encoding="utf-8").splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines
