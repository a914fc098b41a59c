"""A model whose every weight was trained -> a checkpoint folder: the base's own files with other weights in them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from runner.models.locate import checkpoint_files


def save_checkpoint(model: Any, weights: dict[str, torch.Tensor], base: Path, out: Path) -> None:
    """Write `weights` as a checkpoint that loads as `base` does; same weights, same bytes."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(weights[name])
    # In the base's own number format, so that the tuned model costs what its base costs to keep and to serve. The
    # gates judge these files, rounding included.
    model.to(_dtype_of(base)).save_pretrained(out)
    for file in checkpoint_files(base):
        if ".safetensors" not in file.name:
            shutil.copyfile(file, out / file.name)


def _dtype_of(checkpoint: Path) -> torch.dtype:
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    named = config.get("dtype") or config.get("torch_dtype")
    found = getattr(torch, str(named), torch.float32)
    return found if isinstance(found, torch.dtype) else torch.float32
