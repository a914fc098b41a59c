"""The LoRA adapter: put on a model, copied at the best epoch, written as files that are the same on every run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file

from runner.errors import TerminalError
from runner.spec.models import Training

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"


def add_adapter(model: Any, training: Training) -> Any:
    """Freeze `model` and return it with a new adapter on the layers that the spec names."""
    lora = training.lora
    config = LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, config)
    except ValueError as error:
        raise TerminalError(
            f"no LoRA adapter for this model: {str(error).splitlines()[0]}",
            hint="training.lora.target_modules takes `all-linear` or names of the model's linear layers",
        ) from error


def snapshot(model: Any) -> dict[str, torch.Tensor]:
    """Return a copy of the adapter's weights."""
    return {name: weight.detach().to("cpu", copy=True) for name, weight in get_peft_model_state_dict(model).items()}


def save_adapter(model: Any, weights: dict[str, torch.Tensor], base_uri: str, out: Path) -> None:
    """Write the adapter as PEFT's own files, without paths or times: same weights, same bytes."""
    ordered = {name: weights[name].contiguous() for name in sorted(weights)}
    save_file(ordered, out / WEIGHTS, metadata={"format": "pt"})
    config = model.peft_config["default"].to_dict()
    config |= {"base_model_name_or_path": base_uri, "inference_mode": True}
    (out / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True, default=_plain) + "\n", encoding="utf-8")


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, set) else str(value)
