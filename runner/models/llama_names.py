"""The Llama family's tensors: Hugging Face names <-> GGUF names, and the two layouts of the query and key weights.

GGUF interleaves each head's rotary halves, Hugging Face keeps them apart; `to_gguf_rows` and `to_hf_rows` convert.
"""

from __future__ import annotations

import re
from typing import Any

LAYER_MODULES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}
TOP_MODULES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}

_HF_OF_LAYER = {gguf: hf for hf, gguf in LAYER_MODULES.items()}
_HF_OF_TOP = {gguf: hf for hf, gguf in TOP_MODULES.items()}


def to_gguf_module(hf_module: str) -> str | None:
    """Return the GGUF name of a module, such as `blk.0.attn_q` for `model.layers.0.self_attn.q_proj`."""
    if match := re.fullmatch(r"model\.layers\.(\d+)\.(.+)", hf_module):
        name = LAYER_MODULES.get(match[2])
        return f"blk.{match[1]}.{name}" if name else None
    return TOP_MODULES.get(hf_module)


def to_hf_module(gguf_module: str) -> str | None:
    """Return the Hugging Face name of a GGUF module; the inverse of `to_gguf_module`."""
    if match := re.fullmatch(r"blk\.(\d+)\.(.+)", gguf_module):
        name = _HF_OF_LAYER.get(match[2])
        return f"model.layers.{match[1]}.{name}" if name else None
    return _HF_OF_TOP.get(gguf_module)


def heads_of(gguf_module: str, n_head: int, n_head_kv: int) -> int | None:
    """Return how many heads a module's rows are divided into, or None where rows keep their order."""
    if gguf_module.endswith(".attn_q"):
        return n_head
    if gguf_module.endswith(".attn_k"):
        return n_head_kv
    return None


def to_gguf_rows(rows: Any, heads: int) -> Any:
    """Reorder the rows (numpy) of a query or key weight from Hugging Face's layout to GGUF's."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def to_hf_rows(rows: Any, heads: int) -> Any:
    """Reorder the rows (numpy) of a query or key weight from GGUF's layout to Hugging Face's."""
    return rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)
