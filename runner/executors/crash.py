"""What nobody foresaw -> one message for a person.

`explain_crash` is for what a step raises; its traceback goes to a file for a developer. `explain_death` is for a child
process that ended without a word.
"""

from __future__ import annotations

import signal
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import GituneError, TransientError

# Every child process imports this module; see `worker`.
if TYPE_CHECKING:
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
    "trl": "dpo",
    "datasets": "dpo",
}

_KEPT = "nothing was recorded, and an apply goes on from here"
_LINES = 12
"""Last lines of a dead process that are shown; the Python stack of a crash fits."""


@contextmanager
def explained(step: Step, folder: Path) -> Iterator[None]:
    """Let our own errors through, and explain every other: one broken spec must not take the others down."""
    try:
        yield
    except GituneError:
        raise
    except Exception as error:
        raise explain_crash(step, error, folder) from error


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
        hint=f"{_KEPT}; the traceback is in {file}",
    )


def explain_death(step: Step, code: int, output: str, log: Path | None = None) -> TransientError:
    """Return the error to raise for a child process that ended before its work did.

    Args:
        step: what it was doing.
        code: how it ended: an exit code, or a signal's number below zero.
        output: the end of what it printed.
        log: file with all of it.
    """
    how = f"was killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
    lines = ["".join(c if c.isprintable() else " " for c in line).rstrip() for line in output.splitlines()]
    lines = [line for line in lines if line]
    said = "".join(f"\n    | {line[:200]}" for line in lines[-_LINES:])
    whole = f"; all of its output is in {log}" if log and lines else ""
    return TransientError(f"{step} broke down: its process {how}{said}", hint=f"{_remedy(step, -code)}; {_KEPT}{whole}")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _remedy(step: Step, number: int) -> str:
    if number == signal.SIGKILL:
        smaller = "training.micro_batch_size or training.max_length" if step == "train" else "base model"
        return f"most likely memory ran out (`dmesg` says so): take a smaller {smaller}, or stop other programs"
    if number in (signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL):
        return "a native library crashed: if it happens again, install the versions of constraints.txt or report it"
    return "if nobody stopped it, see the end of its output above"
