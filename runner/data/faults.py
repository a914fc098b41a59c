"""Why a row cannot be used: what reading a row, and looking at its conversation, may find."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a row cannot be used."""

    code: str
    message: str
    pointer: str = ""
    sample: str = ""
    hint: str = ""
