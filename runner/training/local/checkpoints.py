"""Training's state on disk, so that a killed run goes on where it was: written beside, synced, then renamed into place.

One checkpoint is kept: weights, optimizer, random state and the best weights so far as safetensors (never a pickle),
each with its sha256. The folder belongs to one training key, so a checkpoint of other data or settings is never met.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from runner.digest import digest_file

Tensors = Mapping[str, torch.Tensor]

STATE, UNFINISHED = "state.json", ".tmp"
COST = 0.05
"""Share of the time that checkpoints may take."""


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the rest of a run depends on."""

    step: int
    """Optimizer steps done."""
    parts: Mapping[str, Tensors]
    """Tensors by name, in named parts."""


@dataclass(slots=True)
class Checkpoints:
    """The checkpoint folder of one training; `None` keeps nothing."""

    folder: Path | None
    every: float = 30.0
    """Seconds between checkpoints, at least; more when writing one takes long. 0: one after every step."""
    _next: float = field(default_factory=time.monotonic)

    def due(self, *, last: bool = False) -> bool:
        """Return whether it is time for another; after the last step it always is."""
        return self.folder is not None and (last or time.monotonic() >= self._next)

    def save(self, state: State) -> str | None:
        """Write a checkpoint and drop the one before; return why that was not possible, if it was not.

        A full disk must not end a training that could still be finished: the earlier checkpoint stays.
        """
        started = time.monotonic()
        try:
            self._write(state)
        except (OSError, SafetensorError) as error:
            self.postpone()
            return str(error)
        taken = time.monotonic() - started
        self._next = time.monotonic() + (max(self.every, taken / COST) if self.every else 0.0)
        return None

    def postpone(self) -> None:
        """Wait longer than usual before the next one: the disk may have room again."""
        self._next = time.monotonic() + 10 * self.every

    def load(self) -> State | None:
        """Return the newest checkpoint that is whole, or None."""
        for path in reversed(self._whole()):
            with contextlib.suppress(OSError, ValueError, KeyError, SafetensorError):
                facts = json.loads((path / STATE).read_text(encoding="utf-8"))
                if all(digest_file(path / name) == digest for name, digest in facts["files"].items()):
                    parts = {Path(name).stem: load_file(path / name) for name in facts["files"]}
                    return State(facts["step"], parts)
        return None

    def _write(self, state: State) -> None:
        if self.folder is None:
            return
        fresh = self.folder / f"step-{state.step:08}{UNFINISHED}"
        for left in self.folder.glob(f"*{UNFINISHED}"):
            shutil.rmtree(left, ignore_errors=True)
        fresh.mkdir(parents=True)
        files = {}
        for name, tensors in state.parts.items():
            file = fresh / f"{name}.safetensors"
            save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, file)
            sync(file)
            files[file.name] = digest_file(file)
        (fresh / STATE).write_text(json.dumps({"step": state.step, "files": files}), encoding="utf-8")
        sync(fresh / STATE)
        sync(fresh)
        target = fresh.with_suffix("")
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
        sync(target.parent)
        # Also later ones: a run that could not go on from them began anew.
        for other in self._whole():
            if other != target:
                shutil.rmtree(other, ignore_errors=True)

    def _whole(self) -> list[Path]:
        if self.folder is None:
            return []
        return sorted(path for path in self.folder.glob("step-*") if path.suffix != UNFINISHED)


@contextlib.contextmanager
def held(folder: Path) -> Iterator[bool]:
    """Hold a folder against other processes of this machine while the body runs; yields whether it was free."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        yield _lock(file)


def _lock(file: IO[str]) -> bool:
    try:
        import fcntl
    except ImportError:  # Windows: two runs of one key there are the user's own doing
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def sync(path: Path) -> None:
    """Return once a file's bytes, or a folder's names, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
