"""Checkpoints that another library writes -> ones that are whole or not taken: a list of digests is written last.

The Trainer keeps optimizer and random state as pickles and writes a folder file by file. Only a folder whose every file
is as it was when it was sealed is read again, so a kill can tear none, and no other pickle is ever opened.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from runner.digest import digest_file
from runner.training.local.checkpoints import sync

SEAL, BEST = "sealed.json", "best.safetensors"

UNWRITABLE = (OSError, RuntimeError, SafetensorError)
"""What writing to a full disk raises; RuntimeError is torch.save's."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A whole checkpoint."""

    folder: Path
    step: int
    best: dict[str, torch.Tensor]
    """Weights of the best evaluation so far; empty when there was none."""


def seal(folder: Path, step: int, best: Mapping[str, torch.Tensor]) -> None:
    """Add the best weights to a checkpoint, declare it whole and drop the ones before."""
    if best:
        save_file({name: tensor.contiguous() for name, tensor in best.items()}, folder / BEST)
    files = {file.name: digest_file(file) for file in sorted(folder.iterdir())}
    for path in (*(folder / name for name in files), folder):
        sync(path)
    fresh = folder / f"{SEAL}.tmp"
    fresh.write_text(json.dumps({"step": step, "files": files}), encoding="utf-8")
    sync(fresh)
    fresh.rename(folder / SEAL)
    sync(folder)
    sync(folder.parent)
    for other in folder.parent.glob("checkpoint-*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)


def newest_sealed(state: Path) -> Sealed | None:
    """Return the newest whole checkpoint below `state`."""
    for file in sorted(state.glob(f"checkpoint-*/{SEAL}"), key=lambda file: -int(file.parent.name.split("-")[1])):
        with contextlib.suppress(OSError, ValueError, KeyError, SafetensorError):
            facts, folder = json.loads(file.read_text(encoding="utf-8")), file.parent
            if all(digest_file(folder / name) == digest for name, digest in facts["files"].items()):
                best = load_file(folder / BEST) if BEST in facts["files"] else {}
                return Sealed(folder, facts["step"], best)
    return None
