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
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from runner.executors.crash import explain_death
from runner.executors.work import Work
from runner.executors.worker import Done, Failed
from runner.models.cores import SHARE
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


class Children:
    """The child processes that several threads wait for, so that another one can end them all.

    Args:
        cores: how many cores each of them may use; None for all.
    """

    def __init__(self, cores: int | None = None) -> None:
        self.environment = os.environ if cores is None else {**os.environ, SHARE: str(cores)}
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    @contextmanager
    def including(self, child: subprocess.Popen[bytes]) -> Iterator[None]:
        """Count a child among them while the block runs."""
        with self._lock:
            self._running.add(child)
            if self._stopped:
                child.terminate()
        try:
            yield
        finally:
            with self._lock:
                self._running.discard(child)

    def stop(self) -> None:
        """Let all of them clean up and end; who takes longer than that is killed."""
        with self._lock:
            self._stopped = True
            for child in self._running:
                child.terminate()
        timer = threading.Timer(GRACE, self._kill)
        timer.daemon = True
        timer.start()

    def _kill(self) -> None:
        with self._lock:
            for child in self._running:
                child.kill()


def run_apart(work: Work[Result], report: Report, children: Children | None = None, log: Path | None = None) -> Result:
    """Do the work in a child process, which ends when this call does, and at once when this process is killed.

    Args:
        work: what to do; it and its result are pickled.
        report: told about the child's progress, in this thread.
        children: whom it is one of.
        log: file that keeps what it prints.

    Raises:
        GituneError: as the work raised it; anything else it raised as `explain_crash` puts it.
        TransientError: when the child died.
    """
    task = pickle.dumps(sys.path) + pickle.dumps(work)
    with _kept(log) as output, _started(output, children or Children()) as (child, line):
        end = _converse(line, task, report)
        if isinstance(end, Failed):
            raise end.error
        if isinstance(end, Done):
            return end.result  # type: ignore[return-value]  # what `work` returned over there
        raise explain_death(work.step, _reap(child), _tail(output), log)


def _kept(log: Path | None) -> IO[bytes]:
    if log is None:
        return tempfile.TemporaryFile()
    log.parent.mkdir(parents=True, exist_ok=True)
    return os.fdopen(os.open(log, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b")


@contextmanager
def _started(output: IO[bytes], children: Children) -> Iterator[tuple[subprocess.Popen[bytes], socket.socket]]:
    """Start a child that listens on its stdin, and leave none behind, however the block ends.

    Its end of the line is the only one beside ours, so that the end of either process ends the line.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            # Unbuffered: the last words of a process that crashes count most.
            command = [sys.executable, "-P", "-u", "-c", _BOOT]
            child = subprocess.Popen(
                command, stdin=theirs.fileno(), stdout=output, stderr=output, env=children.environment
            )
        try:
            with children.including(child):
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
