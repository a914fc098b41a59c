"""GGUF weights, a LoRA GGUF added -> fp32 tensors in the layout of `batched_llama`; refuses all but a plain Llama."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch

from runner.models.llama_names import heads_of, to_hf_rows


class Layer(NamedTuple):
    """Weights of one layer; what reads the same states stands in one matrix."""

    attention_norm: torch.Tensor
    qkv: torch.Tensor
    output: torch.Tensor
    mlp_norm: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


class UnknownShapeError(Exception):
    """The file holds what this forward pass does not compute."""


class WeightFiles:
    """The tensors of a GGUF file in Hugging Face's layout, an adapter's update added."""

    def __init__(self, gguf: Path, adapter: Path | None) -> None:
        """Open the files.

        Raises:
            UnknownShapeError: for another family, or scaled rotary embeddings.
        """
        from gguf import GGUFReader

        base = GGUFReader(gguf)
        self._fields: Mapping[str, Any] = base.fields
        self._tensors = {tensor.name: tensor for tensor in base.tensors}
        self._used: set[str] = set()
        if self.need_plain("general.architecture") != "llama" or any("rope.scaling" in key for key in base.fields):
            raise UnknownShapeError(str(gguf))
        update = GGUFReader(adapter) if adapter else None
        self._updates = {tensor.name: tensor.data for tensor in update.tensors} if update else {}
        self._alpha = float(update.fields["adapter.lora.alpha"].contents()) if update else 0.0

    def need(self, key: str) -> Any:
        """Return a number of the model."""
        return self.need_plain(f"llama.{key}")

    def need_plain(self, key: str) -> Any:
        """Return a value of the header."""
        if key not in self._fields:
            raise UnknownShapeError(key)
        return self._fields[key].contents()

    def has(self, module: str) -> bool:
        """Return whether a module is there."""
        return f"{module}.weight" in self._tensors

    def matrix(self, *modules: str) -> torch.Tensor:
        """Return modules' weights, one below the other."""
        return torch.cat([self._weight(module) for module in modules])

    def require_all_used(self) -> None:
        """Raise unless every tensor of the files went into the model."""
        if left := (set(self._tensors) | set(self._updates)) - self._used:
            raise UnknownShapeError(min(left))

    def _weight(self, module: str) -> torch.Tensor:
        import gguf
        import numpy as np

        name = f"{module}.weight"
        if name not in self._tensors:
            raise UnknownShapeError(name)
        found = self._tensors[name]
        weight = gguf.dequantize(found.data, found.tensor_type).astype(np.float32)
        down, up = f"{name}.lora_a", f"{name}.lora_b"
        self._used |= {name, down, up}
        if down in self._updates:
            weight = weight + self._alpha / len(self._updates[down]) * (self._updates[up] @ self._updates[down])
        if heads := heads_of(module, self.need("attention.head_count"), self.need("attention.head_count_kv")):
            weight = to_hf_rows(weight, heads)
        return torch.from_numpy(np.ascontiguousarray(weight))


def layer_of(files: WeightFiles, name: str) -> Layer:
    """Return the weights of the layer whose tensors' names begin with `name`."""
    return Layer(
        files.matrix(f"{name}.attn_norm"),
        files.matrix(*(f"{name}.attn_{part}" for part in "qkv")),
        files.matrix(f"{name}.attn_output"),
        files.matrix(f"{name}.ffn_norm"),
        files.matrix(f"{name}.ffn_gate", f"{name}.ffn_up"),
        files.matrix(f"{name}.ffn_down"),
    )
