"""PEFT adapter -> LoRA GGUF, as llama.cpp's own converter writes it: for Llama-family bases and plain LoRA."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from runner.errors import GituneError
from runner.models.llama_names import heads_of, to_gguf_module, to_gguf_rows
from runner.models.trained import ADAPTER_CONFIG, ADAPTER_WEIGHTS

_PREFIX = "base_model.model."
_HINT = "use engine: transformers, or plain LoRA on the model's linear layers"


def write_lora_gguf(adapter_dir: Path, checkpoint: Path, out: Path) -> None:
    """Write the adapter in `adapter_dir`, trained on the model in `checkpoint`, as the GGUF file `out`.

    Raises:
        GituneError: for a base or an adapter that GGUF cannot express.
    """
    import gguf
    from safetensors.numpy import load_file

    config = json.loads((adapter_dir / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    model = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    _refuse_unsupported(config, model)
    writer = gguf.GGUFWriter(out, "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    # llama.cpp scales by alpha / r, rank-stabilised LoRA by alpha / √r.
    stabilised = math.sqrt(config["r"]) if config.get("use_rslora") else 1.0
    writer.add_float32("adapter.lora.alpha", config["lora_alpha"] * stabilised)
    for name, values in sorted(load_file(adapter_dir / ADAPTER_WEIGHTS).items()):
        writer.add_tensor(*_converted(name, values, model))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _refuse_unsupported(config: dict[str, Any], model: dict[str, Any]) -> None:
    if model.get("model_type") != "llama":
        raise GituneError(f"no GGUF adapter for a {model.get('model_type')} model, only for Llamas", hint=_HINT)
    if config.get("peft_type") != "LORA":
        raise GituneError(f"no GGUF adapter for {config.get('peft_type')}, only for LORA", hint=_HINT)
    for option in ("use_dora", "fan_in_fan_out", "alpha_pattern", "modules_to_save"):
        if config.get(option):
            raise GituneError(f"no GGUF adapter for LoRA with {option}", hint=_HINT)


def _converted(name: str, values: Any, model: dict[str, Any]) -> tuple[str, Any]:
    """Return one tensor under its GGUF name and in its GGUF layout."""
    import numpy as np

    module, _, side = name.removeprefix(_PREFIX).removesuffix(".weight").rpartition(".")
    gguf_module = to_gguf_module(module)
    if gguf_module is None or side not in {"lora_A", "lora_B"}:
        raise GituneError(f"no GGUF adapter with a tensor {name}", hint=_HINT)
    n_head = model["num_attention_heads"]
    heads = heads_of(gguf_module, n_head, model.get("num_key_value_heads") or n_head)
    # Only B maps to the module's rows, so only B follows the reordering of query and key rows.
    if side == "lora_B" and heads:
        values = to_gguf_rows(values, heads)
    return f"{gguf_module}.weight.{side.lower()}", np.ascontiguousarray(values.astype(np.float32))
