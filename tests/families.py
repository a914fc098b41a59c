"""Tiny random checkpoints of the architectures that people fine-tune, with the tokenizer of tests/tiny.py.

make_tiny_model(root / "base", "mistral")
"""

from __future__ import annotations

from pathlib import Path

from tiny import _write_tokenizer

_SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
}
_GROUPED = _SIZES | {"num_key_value_heads": 2}
_GEMMA = _GROUPED | {"head_dim": 16}

# Family -> configuration class of transformers and its arguments.
FAMILIES = {
    "llama": ("LlamaConfig", _GROUPED | {"tie_word_embeddings": True}),
    "llama_untied": ("LlamaConfig", _GROUPED | {"tie_word_embeddings": False}),
    "mistral": ("MistralConfig", _GROUPED | {"sliding_window": None}),
    "qwen2": ("Qwen2Config", _GROUPED),
    "qwen3": ("Qwen3Config", _GROUPED | {"head_dim": 16}),
    "phi": ("PhiConfig", _SIZES),
    "phi3": ("Phi3Config", _GROUPED),
    "gemma": ("GemmaConfig", _GEMMA),
    "gemma2": ("Gemma2Config", _GEMMA | {"query_pre_attn_scalar": 16, "sliding_window": 64}),
    "mpt": (
        "MptConfig",
        {
            "d_model": 64,
            "n_heads": 4,
            "n_layers": 2,
            "expansion_ratio": 2,
            "max_seq_len": 512,
            "initializer_range": 0.2,
        },
    ),
    "gpt2": ("GPT2Config", {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 512, "initializer_range": 0.2}),
    "gpt_neox": ("GPTNeoXConfig", _SIZES),
}


def make_tiny_model(folder: Path, family: str) -> Path:
    """Write a two-layer checkpoint of a family into `folder` and return it; same family, same bytes."""
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = _write_tokenizer(folder, "smollm")
    kind, sizes = FAMILIES[family]
    config = getattr(transformers, kind)(
        vocab_size=vocabulary, bos_token_id=1, eos_token_id=2, pad_token_id=None, **sizes
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder
