"""Base model -> its dimensions, from whatever lies on this machine: configuration, GGUF header, or its size alone.

shape = find_shape(ref, root)            # a plan: no network, no import of a library
shape = checkpoint_shape(folder)         # training: the very files that will be loaded
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from runner.errors import GituneError
from runner.models.base import BaseRef
from runner.models.gguf_header import read_header
from runner.models.locate import BaseUri, local_path, package_file, parse_uri

DTYPE_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
# Families whose MLP is two matrices; in all others a third one gates.
TWO_MATRICES = {"bloom", "falcon", "gpt2", "gpt_neo", "gpt_neox", "gptj", "mpt", "opt", "phi", "starcoder2"}


@dataclass(frozen=True, slots=True)
class ModelShape:
    """The dimensions of a decoder-only transformer that memory is a matter of."""

    parameters: int
    vocabulary: int
    hidden: int
    layers: int
    queries: int
    """Width of the queries: heads times head size."""
    keys: int
    """Width of the keys, and of the values."""
    inner: int
    """Width inside the MLP."""
    gated: bool = True
    """Whether the MLP has three matrices (Llama) or two (GPT-2)."""

    @property
    def linears(self) -> dict[str, tuple[int, int]]:
        """(in, out) of every linear layer of a block, under the name it has in the Llama family."""
        gate = {"gate_proj": (self.hidden, self.inner)} if self.gated else {}
        return {
            "q_proj": (self.hidden, self.queries),
            "k_proj": (self.hidden, self.keys),
            "v_proj": (self.hidden, self.keys),
            "o_proj": (self.queries, self.hidden),
            **gate,
            "up_proj": (self.hidden, self.inner),
            "down_proj": (self.inner, self.hidden),
        }


@cache
def find_shape(ref: BaseRef, root: Path) -> ModelShape | None:
    """Return the dimensions of a base model, or None when nothing here tells them.

    A pinned hf:// model that was not downloaded yet is taken for one of the usual proportions and of its size.
    """
    try:
        uri = parse_uri(ref.uri)
        match uri.scheme:
            case "hf":
                folder = _hub_folder(uri)
                return checkpoint_shape(folder) if folder.is_dir() else usual_shape(ref.size // 2)
            case "pkg":
                path = package_file(uri)
            case "file":
                path = local_path(uri, root, ("/",))
        return checkpoint_shape(path) if path.is_dir() else gguf_shape(path)
    except GituneError:
        # Whatever is wrong with the model is told, with its remedy, by the step that needs it.
        return None


def checkpoint_shape(folder: Path) -> ModelShape | None:
    """Return the dimensions of a checkpoint folder; None for a configuration that does not tell them."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
        size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        return _from_config(config, size)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def gguf_shape(path: Path) -> ModelShape | None:
    """Return the dimensions of a GGUF file; None when its header does not tell them."""
    header = read_header(path)
    family = header.values.get("general.architecture")
    values = {key.removeprefix(f"{family}."): value for key, value in header.values.items()}
    try:
        hidden, heads = int(values["embedding_length"]), int(values["attention.head_count"])
        head = int(values.get("attention.key_length", hidden // heads))
        return ModelShape(
            parameters=sum(math.prod(shape) for shape in header.tensors.values()),
            vocabulary=int(values["tokenizer.ggml.tokens"]),
            hidden=hidden,
            layers=int(values["block_count"]),
            queries=heads * head,
            keys=int(values.get("attention.head_count_kv", heads)) * head,
            inner=int(values["feed_forward_length"]),
            gated=any(".ffn_gate." in name for name in header.tensors),
        )
    except (KeyError, ValueError, ZeroDivisionError):
        return None


def usual_shape(parameters: int) -> ModelShape:
    """Return the shape that models of a size usually have: the width is 128 times the depth, the MLP 8/3 as wide.

    Llama 2 7B (4096 wide, 32 deep) and 13B (5120, 40) are exactly so.
    """
    vocabulary, hidden = 32000, 128
    while 12 * hidden**2 * (hidden // 128) + 2 * vocabulary * hidden < parameters:
        hidden += 128
    return ModelShape(parameters, vocabulary, hidden, hidden // 128, hidden, hidden, hidden * 8 // 3)


def _from_config(config: Mapping[str, Any], size: int) -> ModelShape:
    def value(*names: str, default: int | None = None) -> int:
        found = next((config[name] for name in names if config.get(name) is not None), default)
        if found is None:
            raise KeyError(names[0])
        return int(found)

    hidden = value("hidden_size", "n_embd", "d_model")
    heads = value("num_attention_heads", "n_head", "n_heads")
    head = value("head_dim", default=hidden // heads)
    shape = ModelShape(
        parameters=0,
        vocabulary=value("vocab_size"),
        hidden=hidden,
        layers=value("num_hidden_layers", "n_layer", "n_layers"),
        queries=heads * head,
        keys=value("num_key_value_heads", default=heads) * head,
        inner=value("intermediate_size", "n_inner", "ffn_dim", default=value("expansion_ratio", default=4) * hidden),
        gated=config.get("model_type") not in TWO_MATRICES,
    )
    # The weights' own bytes count experts, biases and tied embeddings right, whatever the family calls them.
    dtype = str(config.get("dtype") or config.get("torch_dtype"))
    counted = size // DTYPE_BYTES[dtype] if dtype in DTYPE_BYTES else _count(shape)
    return replace(shape, parameters=counted)


def _count(shape: ModelShape) -> int:
    blocks = shape.layers * sum(rows * columns for rows, columns in shape.linears.values())
    return blocks + 2 * shape.vocabulary * shape.hidden


def _hub_folder(uri: BaseUri) -> Path:
    """Return where huggingface_hub keeps a commit, by its documented layout and variables."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("HF_HOME") or cache_home / "huggingface")
    hub = Path(os.environ.get("HF_HUB_CACHE") or home / "hub")
    return hub / f"models--{uri.name.replace('/', '--')}" / "snapshots" / uri.rest
