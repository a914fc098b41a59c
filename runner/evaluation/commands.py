"""A program of the repository as a grader: JSON rows on its stdin, JSON scores on its stdout.

In:  {"row": "3f…", "input": "…", "reference": "…", "answer": "…"}          one line for each answer
Out: {"row": "3f…", "score": 0.5}  or  {"row": "3f…", "score": null, "error": "why"}    in any order

No shell, no secrets, a limit of time and of output, and nothing left running. A reply that is not exactly this is an
error: half a result would be a wrong one.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from runner.contract.strict_json import JsonFault, read_json
from runner.errors import GituneError
from runner.evaluation.grading import Graded
from runner.progress import Progress, Report
from runner.spec.excerpt import excerpt
from runner.spec.services import MetricCommand

ENVIRONMENT = ("PATH", "HOME", "LANG", "TMPDIR")

MOST_FOR_A_ROW = 4096
MOST_BESIDE = 1 << 16
"""Bytes of output: so many for each row, and so many in any case."""
_TAIL = 2000
"""Bytes of what it says on stderr that an error repeats."""
_TICK = 0.1
"""Seconds between looks at whether it has ended: what it started may keep its output open."""


class CommandGrader:
    """Grades by running a program once for all answers of a model.

    Args:
        entry: the program, as registry/config.yaml names it.
        root: the repository, in which it runs.
        report: told about progress.
    """

    def __init__(self, entry: MetricCommand, root: Path, report: Report) -> None:
        self._entry = entry
        self._root = root
        self._report = report

    def grade(self, rows: Sequence[Graded]) -> list[float | None]:
        """Grade each answer; None where the program says that it cannot.

        Raises:
            GituneError: when it fails, takes too long, or replies anything but one score for each row.
        """
        self._report(Progress(f"running {self._entry.name}", 0, len(rows), "answers"))
        told = dict(zip(_names(rows), rows, strict=True))
        scores = self._read(self._run(told), set(told))
        self._report(Progress(f"running {self._entry.name}", len(rows), len(rows), "answers"))
        return [scores[name] for name in told]

    def _run(self, rows: Mapping[str, Graded]) -> bytes:
        """Return all that the program printed."""
        with tempfile.TemporaryFile() as given:
            for name, row in rows.items():
                line = {"row": name, "input": row.input, "reference": row.reference, "answer": row.answer}
                given.write(json.dumps(line).encode() + b"\n")
            given.seek(0)
            with self._started(given) as program:
                output, said = self._listen(program, MOST_BESIDE + MOST_FOR_A_ROW * len(rows))
                code = program.wait()
        if code:
            how = f"was ended by signal {-code}" if code < 0 else f"failed with exit code {code}"
            raise self._fault(f"{how}{_told(said)}", "run it by hand on a line of docs/evaluation.md")
        return output

    @contextlib.contextmanager
    def _started(self, given: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
        """Start the program in a group of its own, and leave nothing of that group behind."""
        try:
            program = subprocess.Popen(
                self._entry.command,
                cwd=self._root,
                env=self._environment(),
                stdin=given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise self._fault(
                f"cannot be started: {error.strerror}", "see `command` in registry/config.yaml"
            ) from error
        try:
            yield program
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(program.pid, signal.SIGKILL)
            program.wait()
            for stream in (program.stdout, program.stderr):
                if stream is not None:
                    stream.close()

    def _environment(self) -> dict[str, str]:
        missing = [name for name in self._entry.env if name not in os.environ]
        if missing:
            raise self._fault(f"needs ${missing[0]}, which is not set", "set it in the environment of the apply")
        return {name: os.environ[name] for name in (*ENVIRONMENT, *self._entry.env) if name in os.environ}

    def _listen(self, program: subprocess.Popen[bytes], most: int) -> tuple[bytes, bytes]:
        """Return what it prints, and the end of what it says on stderr, until it has ended."""
        end = time.monotonic() + self._entry.timeout
        output, said = bytearray(), bytearray()
        with selectors.DefaultSelector() as ready:
            ready.register(program.stdout, selectors.EVENT_READ, output)  # type: ignore[arg-type]  # a pipe
            ready.register(program.stderr, selectors.EVENT_READ, said)  # type: ignore[arg-type]
            while ready.get_map():
                ended = program.poll() is not None
                found = ready.select(0 if ended else _TICK)
                for key, _ in found:
                    if data := os.read(key.fd, 1 << 16):
                        key.data.extend(data)
                    else:
                        ready.unregister(key.fileobj)
                del said[:-_TAIL]
                if len(output) > most:
                    raise self._fault(f"printed more than {most} bytes", "a score for each row is enough")
                if time.monotonic() > end:
                    hint = "raise its `timeout` in registry/config.yaml, or make it faster"
                    raise self._fault(f"took more than {self._entry.timeout:g} s{_told(said)}", hint)
                if ended and not found:
                    break
        return bytes(output), bytes(said)

    def _read(self, output: bytes, rows: set[str]) -> dict[str, float | None]:
        hint = 'each line is {"row": …, "score": 0.5}, or {"row": …, "score": null, "error": "why"}'
        scores: dict[str, float | None] = {}
        for number, line in enumerate(output.split(b"\n"), 1):
            if not line.strip():
                continue
            value = read_json(line.decode(errors="replace"))
            fault = value.message if isinstance(value, JsonFault) else _fault_of(value, rows, scores)
            if fault:
                raise self._fault(f"replied in line {number}: {fault}", hint)
            scores[value["row"]] = None if value["score"] is None else float(value["score"])
        if missing := sorted(rows - scores.keys()):
            what = f"replied no score for {len(missing)} of {len(rows)} rows, such as {missing[0]}"
            raise self._fault(what, hint)
        return scores

    def _fault(self, message: str, hint: str) -> GituneError:
        return GituneError(f"the metric program {self._entry.name} {message}", hint=hint)


def _names(rows: Sequence[Graded]) -> Iterator[str]:
    """Yield a name of its own for each answer: `ROW`, then `ROW#2` for the second sample of a row, and so on."""
    seen: Counter[str] = Counter()
    for row in rows:
        seen[row.row] += 1
        yield row.row if seen[row.row] == 1 else f"{row.row}#{seen[row.row]}"


def _fault_of(value: Any, rows: set[str], scores: dict[str, float | None]) -> str:
    """Say what is wrong with one reply; empty when nothing is."""
    if not isinstance(value, dict) or not {"row", "score"} <= value.keys() <= {"row", "score", "error"}:
        return "not an object with `row` and `score`"
    row, score = value["row"], value["score"]
    if not isinstance(row, str) or row not in rows:
        return f"there is no row {excerpt(str(row))}"
    if row in scores:
        return f"row {row} has a score already"
    if score is None:
        return (
            "" if isinstance(value.get("error"), str) and value["error"] else f"row {row} has neither score nor error"
        )
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
        return f"the score of row {row} is no number from 0 to 1: {excerpt(json.dumps(score))}"
    return ""


def _told(said: bytes | bytearray) -> str:
    lines = said.decode(errors="replace").strip().splitlines()
    return f": {excerpt(lines[-1])}" if lines else ""
