"""Answers as they come -> a file that outlives a kill, so that the next run goes on at the first missing prompt.

    log = AnswerLog(context.state, prompts)
    log.done                       # what an earlier run answered
    log.add(answer)

A line is in the kernel's hands once it is added, which a killed process cannot take back; it is on the disk some
seconds later. A line that a crash of the machine tore is dropped, with all that follows it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from runner.data.prompts import Prompt, prompts_to_jsonl
from runner.digest import digest_bytes
from runner.inference.engine import Answer

FILE = "answers.jsonl"

_SYNC_EVERY = 5.0
"""Seconds of answers that a power cut may cost: with a slow disk, syncing each would cost more than most answers."""


class AnswerLog:
    """The answers of one prediction.

    Args:
        folder: Where its file is; bound to the weights, engine and settings that answer.
        prompts: What is asked; answers to others are forgotten.
    """

    def __init__(self, folder: Path, prompts: Sequence[Prompt]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE
        self._head = json.dumps({"prompts": digest_bytes(prompts_to_jsonl(prompts))}) + "\n"
        self.answers: dict[tuple[str, int], Answer] = {}
        """By prompt id and sample."""
        size = self._read()
        with self._path.open("r+b" if size else "wb") as file:
            file.truncate(size)
        self._file = self._path.open("ab", buffering=0)
        if not size:
            self._file.write(self._head.encode())
        self._synced = time.monotonic()

    @property
    def done(self) -> Mapping[int, frozenset[str]]:
        """Prompts that are answered, by sample."""
        samples = {sample for _, sample in self.answers}
        return {number: frozenset(name for name, sample in self.answers if sample == number) for number in samples}

    def add(self, answer: Answer) -> bool:
        """Keep an answer; return whether it is new: of a batch that a kill broke up, some are there already."""
        place = (answer.prompt_id, answer.sample)
        if place in self.answers:
            return False
        self.answers[place] = answer
        # One write for each line: what two processes append does not mix.
        self._file.write((json.dumps(asdict(answer)) + "\n").encode())
        if time.monotonic() - self._synced >= _SYNC_EVERY:
            os.fsync(self._file.fileno())
            self._synced = time.monotonic()
        return True

    def _read(self) -> int:
        """Read what an earlier run left, and return the length of its whole part."""
        data = self._path.read_bytes() if self._path.exists() else b""
        if not data.startswith(self._head.encode()):
            return 0
        size = len(self._head)
        for line in data[size:].splitlines(keepends=True):
            try:
                answer = Answer(**json.loads(line)) if line.endswith(b"\n") else None
            except (ValueError, TypeError):
                answer = None
            if answer is None:
                break
            self.answers[answer.prompt_id, answer.sample] = answer
            size += len(line)
        return size

    def __enter__(self) -> Self:
        """Return the log."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close its file."""
        self._file.close()
