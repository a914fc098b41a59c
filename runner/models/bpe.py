"""Byte-level BPE tokenizers as GGUF and as `tokenizer.json` tell them.

A GGUF file only *names* its pre-tokenizer; a `tokenizer.json` spells it out. Taking another one splits text, digits
above all, differently from what the model was trained on, without any error: so only known pairs are converted.
"""

from __future__ import annotations

from typing import Any

_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
_LLAMA3_REGEX = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)

PRE_TOKENIZERS: dict[str, dict[str, Any]] = {
    "gpt-2": _BYTE_LEVEL,
    "smollm": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, _BYTE_LEVEL]},
    "llama-bpe": {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": _LLAMA3_REGEX}, "behavior": "Isolated", "invert": False},
            {**_BYTE_LEVEL, "use_regex": False},
        ],
    },
}
"""llama.cpp's name of a pre-tokenizer -> the same as `tokenizer.json` writes it."""

# Values of `tokenizer.ggml.token_type`.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED = 1, 2, 3, 4, 5


def name_of_pre_tokenizer(tokenizer_json: dict[str, Any]) -> str | None:
    """Return llama.cpp's name of the pre-tokenizer, or None when llama.cpp would split text in another way."""
    if tokenizer_json["model"].get("type") != "BPE" or tokenizer_json.get("normalizer"):
        return None
    found = _without_offsets(tokenizer_json.get("pre_tokenizer"))
    for name, pre_tokenizer in PRE_TOKENIZERS.items():
        if found == _without_offsets(pre_tokenizer):
            return name
    return None


def _without_offsets(value: Any) -> Any:
    """Drop `trim_offsets`, which moves reported offsets and never a token."""
    if isinstance(value, dict):
        return {key: _without_offsets(item) for key, item in value.items() if key != "trim_offsets"}
    return [_without_offsets(item) for item in value] if isinstance(value, list) else value


def build_tokenizer_json(tokens: list[str], types: list[int], merges: list[str], pre: str) -> dict[str, Any]:
    """Build the content of `tokenizer.json` from a GGUF file's vocabulary."""
    added = [
        {
            "id": index,
            "content": token,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            "normalized": False,
            "special": kind != USER_DEFINED,
        }
        for index, (token, kind) in enumerate(zip(tokens, types, strict=True))
        if kind in {UNKNOWN, CONTROL, USER_DEFINED}
    ]
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        # llama.cpp does the same for this pre-tokenizer: a whole word in the vocabulary is one token.
        "ignore_merges": pre == "llama-bpe",
        "vocab": {token: index for index, token in enumerate(tokens)},
        "merges": [merge.split(" ", 1) for merge in merges],
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": PRE_TOKENIZERS[pre],
        "post_processor": None,
        "decoder": _BYTE_LEVEL,
        "model": model,
    }
