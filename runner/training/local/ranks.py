"""Do a piece of work in several processes, one for each device: `in_ranks(work, layout, report) -> the result`.

The caller only watches. So whatever one of them dies of, also while the others wait for it inside a native library, all
end at once with one error that says which and why. They meet through a file and talk over the loopback interface.
"""

from __future__ import annotations

import math
import multiprocessing
import multiprocessing.connection
import os
import signal
import socket
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Generic, Literal, TypeVar

import torch
import torch.distributed as dist

from runner.errors import GituneError, TransientError
from runner.progress import Progress, Report
from runner.training.local.memory import out_of_memory
from runner.training.local.parallel import Group

Result = TypeVar("Result")
Work = Callable[[Group, Report], Result]
"""What each process does. It is pickled, and so is what it returns."""

GRACE = 2.0
"""Seconds to find out which process failed first: the others fail because it is gone."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which processes to start."""

    device: Literal["cpu", "cuda"]
    """What they compute on; each has a GPU of its own."""
    size: int
    """How many."""
    sharded: bool
    """Whether they split the weights."""

    def group(self, rank: int) -> Group:
        """Return what process `rank` sees."""
        device = torch.device("cuda", rank) if self.device == "cuda" else torch.device("cpu")
        return Group(device, rank, self.size, self.sharded)


@dataclass(frozen=True, slots=True)
class _Done(Generic[Result]):
    result: Result


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


def in_ranks(work: Work[Result], layout: Layout, report: Report) -> Result:
    """Do `work` in every process of `layout`; return what the first one returned.

    Raises:
        GituneError: as one of them raised it.
        TransientError: when one of them died.
        RuntimeError: for what nobody foresaw in one of them, with its traceback as a note.
    """
    context = multiprocessing.get_context("spawn")
    started, lines = list[BaseProcess](), list[Connection]()
    with tempfile.TemporaryDirectory(prefix="gitune-ranks-") as folder:
        try:
            for rank in range(layout.size):
                ours, theirs = context.Pipe(duplex=False)
                task = (work, layout.group(rank), Path(folder) / "meet", theirs)
                process: BaseProcess = context.Process(target=_run, args=task, daemon=True)
                process.start()
                theirs.close()  # its end of the line is the only one, so that its end ends the line
                started.append(process)
                lines.append(ours)
            return _follow(started, lines, layout, report)  # type: ignore[return-value]  # what `work` returned
        finally:
            for process in started:
                process.kill()
                process.join()


def _follow(started: Sequence[BaseProcess], lines: Sequence[Connection], layout: Layout, report: Report) -> object:
    """Pass the first process's progress on until it is done, or until it is clear why it never will be."""
    running, problems, deadline = list(lines), list[Exception](), math.inf
    while running and (patience := deadline - time.monotonic()) > 0:
        ready = multiprocessing.connection.wait(running, None if math.isinf(patience) else patience)
        for line in [line for line in running if line in ready]:
            rank = lines.index(line)
            match _receive(line):
                case Progress() as progress:
                    report(progress)
                    continue
                case _Done(result) if rank == 0:
                    return result
                case _Failed(GituneError() as error):
                    raise error
                case _Failed(error):
                    problems.append(error)
                case None:
                    # Before any other's error: that one may well be about this one's absence.
                    problems.insert(0, _death(rank, started[rank], layout))
            running.remove(line)
        if problems:
            deadline = min(deadline, time.monotonic() + GRACE)
    raise problems[0]


def _receive(line: Connection) -> object:
    try:
        return line.recv()
    except (EOFError, ConnectionError):
        return None


def _death(rank: int, process: BaseProcess, layout: Layout) -> TransientError:
    process.join(GRACE)
    code = process.exitcode
    how = f"was killed by {signal.Signals(-code).name}" if code and code < 0 else f"ended with exit code {code}"
    hint = "see the end of its output, if there is any"
    if code == -signal.SIGKILL:
        hint = "most likely memory ran out (`dmesg` says so): take a smaller training.micro_batch_size or fewer devices"
    return TransientError(f"training broke down: process {rank + 1} of {layout.size} {how}", hint=hint)


def _run(work: Work[object], group: Group, meet: Path, line: Connection) -> None:
    """Be one of the processes."""
    # A Ctrl-C in the terminal reaches this process too; the one that watches decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _die_with_parent()
    lock = threading.Lock()

    def send(message: object) -> None:
        with lock:
            line.send(message)

    try:
        _meet(group, meet)
        send(_Done(work(group, send if group.leads else _say_nothing)))
    except GituneError as error:
        send(_Failed(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the one that watches raises it
        send(_Failed(_explained(error, group)))
    # The work is told. Taking native libraries down takes time and may crash.
    os._exit(0)


def _say_nothing(_: Progress) -> None:
    """Take the progress of a process that does not lead: it is the leader's."""


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def _meet(group: Group, meet: Path) -> None:
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "lo")
    for library in ("GLOO", "NCCL"):
        os.environ[f"{library}_SOCKET_IFNAME"] = loopback
    if group.device.type == "cuda":
        torch.cuda.set_device(group.device)
    library = "nccl" if group.device.type == "cuda" else "gloo"
    dist.init_process_group(library, init_method=meet.as_uri(), rank=group.rank, world_size=group.size)


def _explained(error: Exception, group: Group) -> Exception:
    """Return an error that says where it was raised, in a form that travels."""
    if group.sharded and out_of_memory(error):
        return GituneError(
            f"out of memory in process {group.rank + 1} of {group.size}; with split weights a pass cannot be repeated",
            hint="set training.micro_batch_size: 1, shorten the rows, or use more devices",
        )
    said = RuntimeError(f"{type(error).__name__}: {error} (process {group.rank + 1} of {group.size})")
    said.add_note("".join(traceback.format_exception(error)))
    return said
