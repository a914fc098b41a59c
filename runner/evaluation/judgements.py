"""What a judge said before, kept on this machine: one line of JSON for each question, appended as answers come.

So a killed scoring goes on where it was, and scoring again with other metrics or gates costs nothing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NamedTuple

LONGEST_REASON = 500
"""Characters of a reason that are kept, for people who look."""


class Judgement(NamedTuple):
    """What a judge thinks of one answer."""

    score: float
    """Between 0 and 1."""
    reason: str
    """Why, in its own words."""


class Judgements:
    """The judgements in one file; a line that was cut off by a kill is no judgement."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._scores = dict(_read(file))

    def __contains__(self, key: str) -> bool:
        return key in self._scores

    def score(self, key: str) -> float | None:
        """Return the grade of a question; None when there is none."""
        return self._scores.get(key)

    def add(self, key: str, judgement: Judgement) -> None:
        """Keep a judgement. Several processes may append: each line is one write."""
        self._scores[key] = judgement.score
        line = {"key": key, "score": judgement.score, "reason": judgement.reason[:LONGEST_REASON]}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # Begins a line of its own, should the one before have been cut off.
            os.write(descriptor, f"\n{json.dumps(line)}\n".encode())
        finally:
            os.close(descriptor)


def _read(file: Path) -> list[tuple[str, float]]:
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError:
        return []
    return [found for line in lines if line.strip() and (found := _parse(line)) is not None]


def _parse(line: bytes) -> tuple[str, float] | None:
    try:
        value = json.loads(line)
        key, score = str(value["key"]), float(value["score"])
    except (ValueError, TypeError, LookupError):
        return None
    return (key, score) if 0 <= score <= 1 else None
