"""Loads tokenizers and models from a Hugging Face checkpoint folder: offline, never a pickle, never foreign code.

The only place that imports transformers' Auto classes, so that its own bars and warnings stay out of our output.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.errors import GituneError

if TYPE_CHECKING:
    import torch


def load_tokenizer(checkpoint: Path, chat_template: str | None = None) -> Any:
    """Return the tokenizer of a checkpoint; `chat_template` takes the place of its own.

    Raises:
        GituneError: when there is none.
    """
    transformers = quiet_transformers()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            checkpoint, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise _unusable(checkpoint, "tokenizer", error) from error
    if chat_template is not None:
        tokenizer.chat_template = chat_template
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def load_causal_lm(checkpoint: Path, dtype: torch.dtype) -> Any:
    """Return the language model of a checkpoint, in evaluation mode.

    Raises:
        GituneError: when its files are damaged or do not belong together.
    """
    return _load(checkpoint, dtype=dtype)


def load_nf4(checkpoint: Path, device: torch.device) -> Any:
    """Return the language model of a checkpoint on a GPU, its linear layers in 4 bits (QLoRA, arXiv:2305.14314)."""
    import bitsandbytes  # noqa: F401 - transformers would name it only in a long error
    import torch
    from transformers import BitsAndBytesConfig

    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )
    return _load(checkpoint, dtype=torch.bfloat16, quantization_config=quantization, device_map={"": device})


def longest_context(checkpoint: Path) -> int | None:
    """Return how many tokens a model was made to read; None where its configuration does not say."""
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    # Most families' name, GPT-2's, MPT's.
    names = ("max_position_embeddings", "n_positions", "max_seq_len")
    return next((config[name] for name in names if isinstance(config.get(name), int)), None)


def _load(checkpoint: Path, **options: Any) -> Any:
    transformers = quiet_transformers()
    from safetensors import SafetensorError

    try:
        model, found = transformers.AutoModelForCausalLM.from_pretrained(
            checkpoint,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise _unusable(checkpoint, "model", error) from error
    # transformers would go on with random numbers in their place.
    if missing := sorted(found["missing_keys"]):
        raise _unusable(checkpoint, "model", ValueError(f"{len(missing)} weights are missing, such as {missing[0]}"))
    return model


def quiet_transformers() -> Any:
    """Return the library, once it keeps to itself what users can do nothing about."""
    import transformers

    # Deprecations of its own internals, which our users can do nothing about.
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(transformers|peft)\.")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _unusable(checkpoint: Path, what: str, error: Exception) -> GituneError:
    reason = str(error).strip().splitlines()[0]
    return GituneError(
        f"cannot load the {what} of {checkpoint}: {reason}",
        hint="download it again; a checkpoint holds config.json, *.safetensors and tokenizer.json",
    )
