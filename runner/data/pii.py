"""Text -> e-mail addresses, payment card and phone numbers in it, and the text with them masked.

Patterns are conservative: a check that cries wolf over order numbers is switched off. Names and numbers reserved for
examples (example.com, 555-01xx) are nobody's data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

PiiKind = Literal["email", "payment_card", "phone"]


@dataclass(frozen=True, slots=True)
class Hit:
    """Personal data found in a text, by offsets."""

    kind: PiiKind
    start: int
    end: int


_EMAIL = re.compile(r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}")
_RESERVED_DOMAIN = re.compile(r"(^|\.)example(\.(com|net|org))?$|\.(test|invalid|localhost)$", re.IGNORECASE)
_CARD = re.compile(r"(?<![0-9])[2-6](?:[ -]?[0-9]){12,18}(?![0-9])")
_PHONE = re.compile(
    r"(?<![0-9])"
    r"(?:\+[1-9](?:[ ().-]{0,2}[0-9]){7,14}"  # international (E.164)
    r"|(?:\([0-9]{3}\) ?|[0-9]{3}-)[0-9]{3}-[0-9]{4})"  # North American
    r"(?![0-9])"
)
_FICTIONAL_PHONE = re.compile(r"555\D{0,2}01[0-9]{2}$")
_SECRET = re.compile(r"(?<![\w-])(?=[\w-]{0,40}[0-9])(?=[\w-]{0,40}[A-Za-z])[A-Za-z0-9_-]{24,}")
_MAY_HOLD_NUMBER = re.compile(r"[0-9](?:[ ().-]{0,3}[0-9]){6}")


def find_pii(text: str) -> Iterator[Hit]:
    """Yield personal data, kind by kind."""
    if "@" in text:
        for match in _EMAIL.finditer(text):
            if not _RESERVED_DOMAIN.search(match[0].partition("@")[2]):
                yield Hit("email", *match.span())
    if not _MAY_HOLD_NUMBER.search(text):
        return
    for match in _CARD.finditer(text):
        if passes_luhn(match[0]):
            yield Hit("payment_card", *match.span())
    for match in _PHONE.finditer(text):
        if not _FICTIONAL_PHONE.search(match[0]):
            yield Hit("phone", *match.span())


def mask(text: str) -> str:
    """Replace personal data, and what looks like a key or token, so that a message may show the rest."""
    text = _EMAIL.sub(lambda match: f"{match[0][0]}***@***", text)
    text = _CARD.sub(_mask_number, text)
    text = _PHONE.sub(_mask_number, text)
    return _SECRET.sub(lambda match: f"{match[0][:3]}***", text)


def passes_luhn(number: str) -> bool:
    """Whether the check digit of a payment card number is right; spaces and dashes are ignored."""
    digits = [int(character) for character in number if character.isdigit()]
    doubled = (digit * 2 for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(digit - 9 if digit > 9 else digit for digit in doubled)) % 10 == 0  # noqa: PLR2004


def _mask_number(match: re.Match[str]) -> str:
    return f"***{match[0][-2:]}"
