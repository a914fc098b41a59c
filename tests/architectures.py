"""Tiny random models of many architectures, each with an adapter whose every weight matters."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from peft import LoraConfig, get_peft_model

VOCABULARY = 97
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
}
HEADS = {"head_dim": 8}
SHARING = {
    "Llama": SIZES,
    "Mistral": SIZES | {"sliding_window": 9},
    "Qwen2": SIZES | {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 1},
    "Qwen3": SIZES | HEADS,
    "Phi": SIZES | {"num_key_value_heads": 4},
    "Phi3": SIZES,
    "Gemma": SIZES | HEADS,
    "Gemma2": SIZES | HEADS | {"sliding_window": 9, "query_pre_attn_scalar": 8, "attn_implementation": "eager"},
    "Gemma3Text": SIZES | HEADS | {"sliding_window": 9, "query_pre_attn_scalar": 8},
    "GPTNeoX": {name: value for name, value in SIZES.items() if name != "num_key_value_heads"},
    "GPT2": {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256},
}
PADDED = {
    "Mpt": {"vocab_size": VOCABULARY, "d_model": 32, "n_layers": 2, "n_heads": 4, "expansion_ratio": 2},
    "Bloom": {"vocab_size": VOCABULARY, "hidden_size": 32, "n_layer": 2, "n_head": 4},
}


def config_of(family: str, values: dict[str, Any]) -> Any:
    return getattr(transformers, f"{family}Config")(**values)


def model_of(family: str, values: dict[str, Any], seed: int = 0) -> Any:
    """Build a tiny random model with an adapter whose every weight matters."""
    torch.manual_seed(seed)
    values = dict(values)
    implementation = values.pop("attn_implementation", None)
    name = {"Gemma3Text": "Gemma3"}.get(family, family)
    head = {"GPT2": "GPT2LMHeadModel"}.get(name, f"{name}ForCausalLM")
    network = getattr(transformers, head)._from_config(config_of(family, values), attn_implementation=implementation)
    model = get_peft_model(network, LoraConfig(r=4, lora_alpha=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    for parameter_name, parameter in model.named_parameters():
        if "lora_B" in parameter_name:
            torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()  # some have dropout, which is chance
