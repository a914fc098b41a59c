"""Loads tokenizers and models from a Hugging Face checkpoint folder: offline, never a pickle, never foreign code.

The only place that imports transformers' Auto classes, so that its own bars and warnings stay out of our output.
"""

from __future__ import annotations

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
    transformers = _quiet_transformers()
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
    """Return the language model of a checkpoint, in evaluation mode."""
    transformers = _quiet_transformers()
    try:
        return transformers.AutoModelForCausalLM.from_pretrained(
            checkpoint, dtype=dtype, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise _unusable(checkpoint, "model", error) from error


def _quiet_transformers() -> Any:
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
        hint="a checkpoint folder holds config.json, *.safetensors and tokenizer.json",
    )
