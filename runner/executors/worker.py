"""The child process of `child.run_apart`: takes one piece of work from stdin, sends back its progress and its end.

Messages are pickles: both ends are the same code of the same installation, and one of them has started the other.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.errors import GituneError
from runner.executors.crash import explained
from runner.progress import Report

# Every child pays for what stands here, whatever its work: only the work that arrives knows what it needs.
if TYPE_CHECKING:
    from runner.executors.work import Work

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Done:
    """The last message of work that succeeded."""

    result: object


@dataclass(frozen=True, slots=True)
class Failed:
    """The last message of work that did not."""

    error: GituneError


def main() -> None:
    """Do the work that comes in on stdin."""
    # A Ctrl-C in the terminal reaches both processes; the parent decides what becomes of this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    faulthandler.enable(all_threads=False)
    try:
        _die_by_signal_with_parent()
        work: Work[object] = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own parent
        line = os.dup(0)
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), 0)  # what is started in here must not hold the line
        _die_at_end_of(line)
        send = _sender(line)
        send(_perform(work, send))
    except KeyboardInterrupt:
        # Everything was cleaned up on the way here: now end as SIGTERM ends a process.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)
    # The work is told. Taking native libraries down takes time and may crash.
    os._exit(0)


def _perform(work: Work[object], report: Report) -> Done | Failed:
    try:
        with explained(work.step, work.crashes):
            return Done(work(report))
    except GituneError as error:
        return Failed(error)


def _sender(line: int) -> Callable[[object], None]:
    """Return a function that sends one message whole, from any thread."""
    stream = os.fdopen(line, "wb")
    lock = threading.Lock()

    def send(message: object) -> None:
        data = pickle.dumps(message)
        with lock:
            stream.write(data)
            stream.flush()

    return send


def _die_by_signal_with_parent() -> None:
    """Ask the kernel to kill this process when its parent ends in whatever way (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _die_at_end_of(line: int) -> None:
    """Kill this process when the parent's end closes, which the parent never does while it waits.

    Works everywhere, but needs the interpreter, which native code may hold for long; hence both ways.
    """

    def watch() -> None:
        os.read(line, 1)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
