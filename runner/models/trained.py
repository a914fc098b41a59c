"""What a training yields, told apart by its files: an adapter folder, or a whole checkpoint (`method: full`).

An adapter belongs to one base model; a checkpoint is a model of its own and takes the base's place.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from runner.errors import GituneError
from runner.models.base import BaseFiles

ADAPTER_WEIGHTS, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"
CHECKPOINT_GGUF = "model.gguf"
"""The whole checkpoint once more, for llama.cpp."""

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
)
"""What a checkpoint may hold beside its weights that says how text becomes tokens."""


def tokenizer_files(checkpoint: Path) -> list[Path]:
    """Return the files of a checkpoint that other tools need beside an adapter of it."""
    return [checkpoint / name for name in TOKENIZER_FILES if (checkpoint / name).is_file()]


def is_checkpoint(trained: Path) -> bool:
    """Return whether training yielded a whole model."""
    return (trained / "config.json").is_file()


def as_base(base: BaseFiles, trained: Path) -> BaseFiles:
    """Return a whole checkpoint as the model that an engine loads."""
    gguf = trained / CHECKPOINT_GGUF
    return replace(base, checkpoint=trained, gguf=gguf if gguf.is_file() else None, derived=None)


def require_base(adapter: Path, base: BaseFiles) -> None:
    """Refuse an adapter on a base model that it was not trained on: where the shapes agree, it would answer nonsense.

    Raises:
        GituneError: when the adapter names another base.
    """
    config = adapter / ADAPTER_CONFIG
    named = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    # Adapters of the first release name no digest.
    if (digest := named.get("revision")) and digest != base.ref.digest:
        raise GituneError(
            f"the adapter in {adapter} was trained on {named.get('base_model_name_or_path')} "
            f"(sha256 {digest[:12]}…), not on {base.ref.uri} ({base.ref.digest[:12]}…)",
            hint="take the base model that it was trained on, or train again",
        )
