"""What a step tells the job that it is part of: outputs, and the summary."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

SUMMARY_LIMIT = 1_000_000
"""Bytes of a step's summary; GitHub refuses 1 MiB and shows nothing then."""


def write_output(environ: Mapping[str, str], name: str, value: str) -> None:
    """Set an output of the step; without a job there is nobody to tell. No text of the value can set another one."""
    if path := environ.get("GITHUB_OUTPUT"):
        end = f"end-{secrets.token_hex(16)}"
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(f"{name}<<{end}\n{value}\n{end}\n")


def write_summary(environ: Mapping[str, str], markdown: str) -> None:
    """Add to the job's summary what still fits into it, whole lines."""
    if path := environ.get("GITHUB_STEP_SUMMARY"):
        with Path(path).open("ab") as file:
            file.write(_first_lines(f"{markdown}\n".encode(errors="replace"), SUMMARY_LIMIT - file.tell()))


def _first_lines(data: bytes, limit: int) -> bytes:
    return data if len(data) <= limit else data[: data.rfind(b"\n", 0, max(limit, 0)) + 1]
