"""Do a piece of work in a process of its own: `run_apart(work, report) -> result`.

Torch and llama.cpp get in each other's way inside one process, the memory of a training stays, and a native library
that crashes takes everything down with it. A child process has none of that, and the operating system cleans up after
it. It starts as a new interpreter, never as a fork of one that has threads.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TypeVar

from runner.executors.crash import explain_death
from runner.executors.work import Work
from runner.executors.worker import Done, Failed
from runner.progress import Progress, Report

Result = TypeVar("Result")

# Modules are found where this process finds them, and never in the folder it happens to run in (-P): that may be
# anybody's pull request.
_BOOT = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from runner.executors.worker import main; main()"
)

GRACE = 3.0
"""Seconds a child gets to clean up before it is killed."""
_TAIL = 4096
"""Bytes of its output that are kept for the error when it dies."""


def run_apart(work: Work[Result], report: Report) -> Result:
    """Do the work in a child process, which ends when this call does, and at once when this process is killed.

    Args:
        work: what to do; it and its result are pickled.
        report: told about the child's progress, in this thread.

    Raises:
        GituneError: as the work raised it; anything else it raised as `explain_crash` puts it.
        TransientError: when the child died.
    """
    task = pickle.dumps(sys.path) + pickle.dumps(work)
    with tempfile.TemporaryFile() as output, _started(output) as (child, line):
        end = _converse(line, task, report)
        if isinstance(end, Failed):
            raise end.error
        if isinstance(end, Done):
            return end.result  # type: ignore[return-value]  # what `work` returned over there
        raise explain_death(work.step, _reap(child), _tail(output))


@contextmanager
def _started(output: IO[bytes]) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """Start a child that listens on its stdin, and leave none behind, however the block ends.

    Its end of the line is the only one beside ours, so that the end of either process ends the line.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            command = [sys.executable, "-P", "-c", _BOOT]
            child = subprocess.Popen(command, stdin=theirs.fileno(), stdout=output, stderr=output)
        try:
            yield child, ours
        except BaseException:
            child.terminate()
            raise
        finally:
            _reap(child)


def _converse(line: socket.socket, task: bytes, report: Report) -> object:
    """Give the child its work, pass its progress on, and return its last message; None when it ended without one."""
    with contextlib.suppress(ConnectionError):  # it is dead already
        line.sendall(task)
    with line.makefile("rb") as messages:
        while isinstance(message := _receive(messages), Progress):
            report(message)
    return message


def _receive(messages: IO[bytes]) -> object:
    try:
        return pickle.load(messages)  # noqa: S301 - from our own child
    except (EOFError, ConnectionError, pickle.UnpicklingError):  # the last when it died in the middle of a message
        return None


def _reap(child: subprocess.Popen[bytes]) -> int:
    """Wait for the end of a child that is ending, by force if it takes too long or a person is impatient."""
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
    finally:
        child.kill()
    return child.wait()


def _tail(output: IO[bytes]) -> str:
    """Return the end of what the child and its libraries printed."""
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _TAIL))
    return output.read().decode(errors="replace")
