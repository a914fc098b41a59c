"""One difference between what is asked for and what is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DriftCode = Literal[
    "pointer",
    "held_but_live",
    "broken_chain",
    "missing_artifact",
    "damaged",
    "lost_base_model",
    "server_down",
    "server_behind",
    "endpoint_down",
    "model_gone",
]
"""Kinds of drift; docs/releases.md says what each means."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A finding. Nothing is mended by itself."""

    code: DriftCode
    """What kind, for programs."""
    name: str
    """Name of the spec, server or endpoint."""
    alias: str | None
    """Alias that is concerned; None where none is."""
    what: str
    """What is wrong, and where."""
    remedy: str
    """What to do."""

    @property
    def where(self) -> str:
        """Name and alias together."""
        return f"{self.name}/{self.alias}" if self.alias and self.alias != self.name else self.name
