"""Pieces of work for child processes, which must find them under a name: test modules have none."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import DataError, GituneError, Location, Problem, TerminalError
from runner.progress import Progress


@dataclass(frozen=True)
class Job:
    """Does what it was made of, as the step `train`."""

    do: Callable[..., Any]
    crashes: Path
    arguments: tuple = ()
    step: str = "train"

    def __call__(self, report):
        return self.do(report, *self.arguments)


def where_am_i(report):
    report(Progress("working", 1, 2, "rows", "so far"))
    report(Progress("working", 2, 2, "rows"))
    print("a library's noise")
    return os.getpid(), sys.path, sorted(sys.modules)


def cores(_):
    from runner.models.cores import available_cores

    return available_cores()


def fail(_, kind):
    raise {
        "plain": GituneError("no", hint="do", where=Location("spec.yaml", 3, 5)),
        "terminal": TerminalError("never", hint="change it"),
        "data": DataError(
            [Problem("bad row", Location("a.jsonl", 7), "mend it"), Problem("worse", Location("b.jsonl"))]
        ),
        "foreign": ZeroDivisionError("by nothing"),
    }[kind]


def kill_yourself(_, number):
    print("last words\x1b[31m\nseen on stderr", file=sys.stderr)
    os.kill(os.getpid(), number)
    time.sleep(60)


def crash(_):
    ctypes.string_at(0)


def leave(_):
    sys.exit(3)


def leave_a_process_behind(_):
    print(subprocess.Popen(["sleep", "60"]).pid, file=sys.stderr)
    os.kill(os.getpid(), signal.SIGKILL)


def hold(report, lock):
    """Hold a lock, which ends with this process, until the process is ended."""
    with Path(lock).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            report(Progress("held"))
            time.sleep(60)
        finally:
            Path(lock).with_suffix(".cleaned").touch()


def hold_and_ignore_sigterm(report, lock):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    hold(report, lock)


def hold_without_the_kernels_help(report, lock):
    ctypes.CDLL(None).prctl(1, 0)
    hold(report, lock)
