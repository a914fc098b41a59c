"""Hugging Face checkpoint -> GGUF file that llama.cpp serves: Llama family, byte-level BPE, not quantized.

For bases that did not come as GGUF. fp32 weights stay fp32; everything else becomes f16.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from runner.errors import GituneError
from runner.models.bpe import CONTROL, NORMAL, UNUSED, USER_DEFINED, name_of_pre_tokenizer
from runner.models.llama_names import heads_of, to_gguf_module, to_gguf_rows
from runner.progress import Progress, Report


def export_gguf(checkpoint: Path, out: Path, report: Report) -> None:
    """Write the model in `checkpoint` as the GGUF file `out`.

    Raises:
        GituneError: when llama.cpp would not compute or tokenize as the checkpoint does.
    """
    import gguf

    if why := gguf_obstacle(checkpoint):
        raise _refusal(checkpoint, why)
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    writer = gguf.GGUFWriter(out, "llama")
    _add_shape(writer, config)
    _add_tokenizer(writer, checkpoint, config)
    for done, (name, values) in enumerate(_tensors(checkpoint, config)):
        report(Progress("exporting the base model for llama.cpp", done, 0, "tensors"))
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _refusal(checkpoint: Path, why: str) -> GituneError:
    return GituneError(f"llama.cpp cannot serve {checkpoint}: {why}", hint="use engine: transformers")


def gguf_obstacle(checkpoint: Path) -> str | None:
    """Return why llama.cpp would not compute or tokenize as this checkpoint does, if so."""
    if why := config_obstacle(json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))):
        return why
    file = checkpoint / "tokenizer.json"
    if not file.is_file() or name_of_pre_tokenizer(json.loads(file.read_text(encoding="utf-8"))) is None:
        return "its tokenizer is none that llama.cpp is known to share"
    return None


def config_obstacle(config: Mapping[str, Any]) -> str | None:
    """Return what in a model's configuration, or in the part of it that is known, has no GGUF form here."""
    if (family := config.get("model_type")) != "llama":
        return f"it is a {family} model, and only the Llama family is exported"
    rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        return "its rotary embedding is scaled"
    if config.get("attention_bias") or config.get("mlp_bias"):
        return "its layers have biases"
    if config.get("hidden_act", "silu") != "silu":
        return f"its activation is {config['hidden_act']}"
    return None


def _add_shape(writer: Any, config: dict[str, Any]) -> None:
    heads = config["num_attention_heads"]
    rope = config.get("rope_parameters") or {}
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_vocab_size(config["vocab_size"])


def _add_tokenizer(writer: Any, checkpoint: Path, config: dict[str, Any]) -> None:
    from runner.models.checkpoint import load_tokenizer

    tokenizer = load_tokenizer(checkpoint)
    content = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))
    tokens, types = _vocabulary(content, config["vocab_size"])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(name_of_pre_tokenizer(content))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in content["model"]["merges"]])
    # The template writes whatever start token there is.
    writer.add_add_bos_token(False)  # noqa: FBT003 - gguf's own signature
    writer.add_add_space_prefix(False)  # noqa: FBT003
    for name in ("bos", "eos", "pad", "unk"):
        if (index := getattr(tokenizer, f"{name}_token_id")) is not None:
            getattr(writer, f"add_{name}_token_id")(index)
    if tokenizer.chat_template:
        writer.add_chat_template(tokenizer.chat_template)


def _vocabulary(content: dict[str, Any], size: int) -> tuple[list[str], list[int]]:
    """Return every token and its type, by id; ids that the tokenizer never uses are filled."""
    tokens, types = [f"[PAD{index}]" for index in range(size)], [UNUSED] * size
    for token, index in content["model"]["vocab"].items():
        tokens[index], types[index] = token, NORMAL
    for added in content.get("added_tokens", []):
        tokens[added["id"]] = added["content"]
        types[added["id"]] = CONTROL if added["special"] else USER_DEFINED
    return tokens, types


def _tensors(checkpoint: Path, config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the weights under their GGUF names and in GGUF's layout."""
    import torch
    from safetensors import safe_open

    n_head = config["num_attention_heads"]
    for file in sorted(checkpoint.glob("*.safetensors")):
        with safe_open(file, "pt") as weights:
            for name in weights.keys():  # noqa: SIM118 - no mapping, whatever it looks like
                module = to_gguf_module(name.removesuffix(".weight"))
                if module is None:
                    raise _refusal(checkpoint, f"it has a tensor {name} that a plain Llama has not")
                if module == "output" and config.get("tie_word_embeddings"):
                    continue
                tensor = weights.get_tensor(name)
                # llama.cpp wants vectors (norms) in fp32.
                wide = tensor.ndim == 1 or tensor.dtype == torch.float32
                values = tensor.to(torch.float32 if wide else torch.float16).numpy()
                if heads := heads_of(module, n_head, config.get("num_key_value_heads") or n_head):
                    values = to_gguf_rows(values, heads)
                yield f"{module}.weight", values
