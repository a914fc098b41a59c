"""What a step raises that nobody foresaw -> one message for a person, and the traceback in a file for a developer."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from pathlib import Path

from runner.errors import GituneError
from runner.registry.facts import Step

# Top-level modules that come with an extra.
EXTRAS = {
    "torch": "local",
    "transformers": "local",
    "peft": "local",
    "gguf": "local",
    "xllamacpp": "local",
    "safetensors": "local",
    "bitsandbytes": "qlora",
}


def explain_crash(step: Step, error: Exception, folder: Path) -> GituneError:
    """Return the error to raise in place of a foreign one.

    Args:
        step: the step that broke down.
        error: what it raised.
        folder: where the traceback is written.
    """
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in EXTRAS:
        extra = EXTRAS[(error.name or "").partition(".")[0]]
        return GituneError(f"{step} needs {error.name}, which is not installed", hint=f"pip install 'gitune[{extra}]'")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{step}.txt"
    file.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return GituneError(
        f"{step} broke down: {type(error).__name__}: {error}",
        hint=f"nothing was recorded, and an apply goes on from here; the traceback is in {file}",
    )
