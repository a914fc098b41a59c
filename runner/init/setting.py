"""One line of a proposed spec: a value, and why it is that. Settings by key path -> commented YAML (`spec_text`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Setting:
    """A proposed value."""

    value: Any
    """Plain data; a tuple of settings is a list with a reason for each item."""
    why: str = ""
    """What the comment beside it says."""


Settings = dict[str, Setting]
"""Dotted key path -> setting, in the order in which they are written."""
