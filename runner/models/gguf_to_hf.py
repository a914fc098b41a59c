"""GGUF file -> Hugging Face checkpoint in fp32: weights, configuration, tokenizer and chat template.

Llama-family models with a byte-level BPE tokenizer. transformers can read such a file too, but replaces the
pre-tokenizer by GPT-2's (numbers may then be split differently than in llama.cpp), reports no progress and is slower.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from runner.errors import GituneError
from runner.models.bpe import PRE_TOKENIZERS, build_tokenizer_json
from runner.models.llama_names import heads_of, to_hf_module, to_hf_rows
from runner.progress import Progress, Report

_REMEDY = "give the model's Hugging Face checkpoint instead: base_model: hf://ORG/NAME@COMMIT"


def dequantize(gguf_file: Path, out: Path, report: Report) -> None:
    """Write the checkpoint of `gguf_file` into the folder `out`.

    Raises:
        GituneError: when the model is of another family or its tokenizer is not known.
    """
    import gguf

    report(Progress("reading the base model"))
    reader = gguf.GGUFReader(gguf_file)
    meta = _Metadata(reader, gguf_file)
    _refuse_unknown(meta, reader)
    out.mkdir(parents=True, exist_ok=True)
    _write_tokenizer(meta, out)
    _write_json(out / "config.json", _config(meta, reader))
    _write_weights(meta, reader, out / "model.safetensors", report)


class _Metadata:
    """The key-value part of a GGUF file, with errors that name the file."""

    def __init__(self, reader: Any, file: Path) -> None:
        self.file = file
        self._fields = reader.fields

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value, or the default where the file has none."""
        field = self._fields.get(key)
        return default if field is None else field.contents()

    def need(self, key: str) -> Any:
        """Return a value that the file must have."""
        value = self.get(key)
        if value is None:
            raise self.refusal(f"has no {key}")
        return value

    def refusal(self, why: str) -> GituneError:
        """Return the error that says why this file cannot be trained on."""
        return GituneError(f"cannot train on {self.file.name}: it {why}", hint=_REMEDY)


def _refuse_unknown(meta: _Metadata, reader: Any) -> None:
    if (family := meta.need("general.architecture")) != "llama":
        raise meta.refusal(f"is a {family} model, and only the Llama family is read from GGUF")
    if meta.get("tokenizer.ggml.model") != "gpt2" or meta.get("tokenizer.ggml.pre") not in PRE_TOKENIZERS:
        found = meta.get("tokenizer.ggml.pre") or meta.get("tokenizer.ggml.model")
        raise meta.refusal(f"has the tokenizer {found}; known are {', '.join(sorted(PRE_TOKENIZERS))}")
    if meta.get("llama.rope.scaling.type", "none") != "none":
        raise meta.refusal("scales its rotary embedding, which GGUF tells only in part")
    unknown = [t.name for t in reader.tensors if to_hf_module(t.name.removesuffix(".weight")) is None]
    if unknown:
        raise meta.refusal(f"has tensors that a plain Llama has not: {', '.join(unknown[:3])}")


def _config(meta: _Metadata, reader: Any) -> dict[str, Any]:
    heads, width = meta.need("llama.attention.head_count"), meta.need("llama.embedding_length")
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "dtype": "float32",
        "head_dim": meta.get("llama.rope.dimension_count", width // heads),
        "hidden_act": "silu",
        "hidden_size": width,
        "intermediate_size": meta.need("llama.feed_forward_length"),
        "max_position_embeddings": meta.need("llama.context_length"),
        "mlp_bias": False,
        "num_attention_heads": heads,
        "num_hidden_layers": meta.need("llama.block_count"),
        "num_key_value_heads": meta.get("llama.attention.head_count_kv", heads),
        "rms_norm_eps": meta.need("llama.attention.layer_norm_rms_epsilon"),
        "rope_theta": meta.get("llama.rope.freq_base", 10000.0),
        "tie_word_embeddings": all(tensor.name != "output.weight" for tensor in reader.tensors),
        "vocab_size": len(meta.need("tokenizer.ggml.tokens")),
    }
    for name in ("bos", "eos"):
        config[f"{name}_token_id"] = meta.get(f"tokenizer.ggml.{name}_token_id")
    return config


def _write_tokenizer(meta: _Metadata, out: Path) -> None:
    tokens: list[str] = meta.need("tokenizer.ggml.tokens")
    tokenizer = build_tokenizer_json(
        tokens,
        meta.need("tokenizer.ggml.token_type"),
        meta.need("tokenizer.ggml.merges"),
        meta.need("tokenizer.ggml.pre"),
    )
    _write_json(out / "tokenizer.json", tokenizer)
    config: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    eos = meta.need("tokenizer.ggml.eos_token_id")
    ids = {"bos": None, "eos": eos, "padding": eos, "unknown": None}
    for name, default in ids.items():
        index = meta.get(f"tokenizer.ggml.{name}_token_id", default)
        if index is not None:
            config[{"padding": "pad", "unknown": "unk"}.get(name, name) + "_token"] = tokens[index]
    _write_json(out / "tokenizer_config.json", config)
    template = meta.get("tokenizer.chat_template", "")
    if template and meta.get("tokenizer.ggml.add_bos_token", False) and "bos_token" not in template:
        raise meta.refusal("adds a start token that its chat template does not show")
    if template:
        (out / "chat_template.jinja").write_text(template, encoding="utf-8")


def _write_weights(meta: _Metadata, reader: Any, out: Path, report: Report) -> None:
    import gguf
    import numpy as np
    from safetensors.numpy import save_file

    heads, heads_kv = meta.need("llama.attention.head_count"), meta.get("llama.attention.head_count_kv")
    weights = {}
    for done, tensor in enumerate(reader.tensors):
        report(Progress("dequantizing the base model", done, len(reader.tensors), "tensors"))
        module = tensor.name.removesuffix(".weight")
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if rows := heads_of(module, heads, heads_kv or heads):
            values = to_hf_rows(values, rows)
        weights[f"{to_hf_module(module)}.weight"] = np.ascontiguousarray(values)
    save_file(weights, out, metadata={"format": "pt"})


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
