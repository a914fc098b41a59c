"""The LoRA or DoRA adapter: put on a model, copied at the best epoch, written as files, the same on every run."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers.pytorch_utils import Conv1D

from runner.errors import TerminalError
from runner.models.base import BaseRef
from runner.models.trained import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from runner.spec.models import Lora, Training
from runner.training.local.parallel import gathered


def add_adapter(model: Any, training: Training) -> Any:
    """Freeze `model` and return it with a new adapter on the layers that the spec names.

    Raises:
        TerminalError: when the model has no such layers.
    """
    with warnings.catch_warnings():
        # GPT-2's layers are transposed; PEFT sees that, does what is right and warns.
        warnings.filterwarnings("ignore", message="fan_in_fan_out is set to False")
        return get_peft_model(model, adapter_config(model, training))


def adapter_config(model: Any, training: Training) -> LoraConfig:
    """Return PEFT's settings for the adapter of a spec.

    Raises:
        TerminalError: when the model has no layers of the names that the spec gives.
    """
    lora = training.lora
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=_targets(model, lora),
        use_dora=training.method == "dora",
        use_rslora=lora.rslora,
        task_type="CAUSAL_LM",
    )


def _targets(model: Any, lora: Lora) -> str | list[str]:
    """Check names against the model: PEFT alone ignores one that is wrong beside one that is right."""
    if lora.target_modules == "all-linear":
        return "all-linear"
    asked = [lora.target_modules] if isinstance(lora.target_modules, str) else lora.target_modules
    there = list(_linear_layers(model))
    unknown = [name for name in asked if not any(layer == name or layer.endswith(f".{name}") for layer in there)]
    if unknown:
        known = dict.fromkeys(layer.rpartition(".")[2] for layer in there)
        raise TerminalError(
            f"no LoRA adapter for this model: it has no linear layer named {', '.join(unknown)}",
            hint=f"training.lora.target_modules takes `all-linear`, or some of {', '.join(known)}",
        )
    return asked


def _linear_layers(model: Any) -> Iterator[str]:
    # An adapter on an output layer that shares its weights would change the input embeddings too, once merged.
    head = model.get_output_embeddings() if model.config.tie_word_embeddings else None
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head:
            yield name


def snapshot(model: Any) -> dict[str, torch.Tensor]:
    """Return a copy of the weights that training changes: the adapter's, or all where there is none."""
    weights = get_peft_model_state_dict(model) if isinstance(model, PeftModel) else dict(model.named_parameters())
    return {name: gathered(weight.detach()).to("cpu", copy=True) for name, weight in weights.items()}


def save_adapter(model: Any, weights: dict[str, torch.Tensor], base: BaseRef, out: Path) -> None:
    """Write the adapter as PEFT's own files, without paths or times: same weights, same bytes."""
    ordered = {name: weights[name].contiguous() for name in sorted(weights)}
    save_file(ordered, out / ADAPTER_WEIGHTS, metadata={"format": "pt"})
    config = model.peft_config["default"].to_dict()
    # PEFT's field for the base model's commit holds its digest: that is how another base is told apart.
    config |= {"base_model_name_or_path": base.uri, "revision": base.digest, "inference_mode": True}
    (out / ADAPTER_CONFIG).write_text(
        json.dumps(config, indent=2, sort_keys=True, default=_plain) + "\n", encoding="utf-8"
    )


def _plain(value: object) -> object:
    return sorted(value) if isinstance(value, set) else str(value)
