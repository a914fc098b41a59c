"""What is wrong with an answer, in kinds that reports can count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

ViolationKind = Literal[
    "prose_around_json",
    "code_fence",
    "not_json",
    "missing_key",
    "extra_key",
    "duplicate_key",
    "wrong_type",
    "not_in_enum",
    "cut_off",
    "too_long",
    "schema",
    "not_a_label",
    "no_match",
]


@dataclass(frozen=True, slots=True)
class Violation:
    """One way in which an answer breaks its contract."""

    kind: ViolationKind
    message: str
    pointer: str = ""
    """JSON Pointer (RFC 6901) of the value at fault; empty: the answer as a whole."""


class OutputContract(Protocol):
    """Decides whether a text is an answer in the right format."""

    def extracted(self, text: str) -> str:
        """Return the part of a text that counts as the answer: all of it, unless the format says to extract."""

    def check(self, text: str) -> list[Violation]:
        """Return every violation; an empty list means compliant."""
