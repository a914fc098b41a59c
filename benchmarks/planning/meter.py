"""Runs a command and says what it cost: CPU seconds of the whole process tree, peak memory, and what it printed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# As installed: bytecode is kept, and nothing of the caller's shell decides.
_DROPPED = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "PYTHONPROFILEIMPORTTIME", "PYTHONPATH", "NO_COLOR")


@dataclass(frozen=True)
class Run:
    """What one command cost."""

    cpu: float
    """User and system seconds, those of its descendants too."""
    peak: int
    """Bytes; resident, of the largest process."""
    printed: str
    """Its stdout."""


def measured(command: Sequence[object], folder: Path, more: Mapping[str, str] | None = None) -> Run:
    """Run a command in a folder; end the benchmark when it fails."""
    environment = {name: value for name, value in os.environ.items() if name not in _DROPPED} | dict(more or {})
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            list(map(str, command)), cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        printed, said = out.read().decode(), err.read().decode()
    # Wrong usage is one of the things measured.
    if process.returncode not in (0, 64):
        sys.exit(f"{' '.join(map(str, command))} failed in {folder}:\n{printed[-1500:]}\n{said[-1500:]}")
    return Run(usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, printed)


def gitune(root: Path, *arguments: object) -> Run:
    """Run our command on a repository, with the cache that belongs to it."""
    return measured(
        [sys.executable, "-m", "runner", *arguments],
        root,
        {"PYTHONPATH": str(ROOT), "GITUNE_CACHE": str(root / "cache")},
    )
