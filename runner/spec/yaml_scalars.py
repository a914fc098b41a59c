"""A plain YAML scalar -> text, number, true, false or null.

`resolve("0.10") -> 0.1`. The rules are those of YAML 1.2's core schema, so that editors, JSON Schema and Gitune agree.
Where YAML 1.1 (PyYAML, Ansible, older Ruby) reads something else, such as `yes`, `010` or `1:30`, nothing is guessed:
the writer is asked to quote it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from runner.spec.excerpt import excerpt

Scalar = str | int | float | bool | None

# Longer numbers mean nothing here, and CPython refuses to convert very long ones.
MAX_DIGITS = 40

_CONSTANTS: dict[str, bool | None] = {
    "": None,
    **dict.fromkeys(("~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_SWITCHES = frozenset(form for word in ("yes", "no", "on", "off") for form in (word, word.title(), word.upper()))
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TWO_READINGS = re.compile(
    r"[-+]?0[0-9]+"  # octal, or decimal with leading zeros
    r"|[-+]?0b[01]+|0o[0-7]+|[-+]0x[0-9a-fA-F]+"
    r"|[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?"  # base 60: 1:30 is 90
)


@dataclass(frozen=True, slots=True)
class Unclear:
    """A plain scalar that has not one meaning, and what to write instead."""

    message: str
    hint: str


def resolve(text: str) -> Scalar | Unclear:
    """Return the value of a plain (unquoted) scalar; `Unclear` when readers disagree or JSON could not carry it."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text in _SWITCHES:
        return Unclear(
            f"YAML readers disagree about `{text}`: a switch for some, text for others",
            f'write true or false, or quote it if text is meant: "{text}"',
        )
    return _number(text) if text[0] in "+-.0123456789" else text


def _number(text: str) -> Scalar | Unclear:
    """Return the number that `text` spells, or the text itself (`1.0.0`, `-x`, `./data`)."""
    if _INTEGER.fullmatch(text) and len(text) <= MAX_DIGITS:
        return int(text)
    if _has_two_readings(text):
        return Unclear(
            f"YAML readers disagree about `{excerpt(text)}`: they read different numbers, or text",
            f'write a plain decimal number, or quote it if text is meant: "{excerpt(text)}"',
        )
    if _DECIMAL.fullmatch(text) or _HEXADECIMAL.fullmatch(text):
        return _finite(text)
    if _NOT_FINITE.fullmatch(text):
        return Unclear(f"`{text}` is not a finite number", "write a number, or leave the key out")
    return text


def _has_two_readings(text: str) -> bool:
    """Return whether YAML 1.1 and 1.2 read different values; 1.1 lets underscores group the digits of any number."""
    digits = text.replace("_", "")
    if _TWO_READINGS.fullmatch(digits):
        return True
    return digits != text and any(form.fullmatch(digits) for form in (_DECIMAL, _HEXADECIMAL))


def _finite(text: str) -> float | Unclear:
    """Return the decimal or hexadecimal number that `text` spells, if it is of a reasonable size."""
    if len(text) <= MAX_DIGITS:
        value = int(text, 16) if text.startswith("0x") else float(text)
        if math.isfinite(value):
            return value
    return Unclear(f"the number `{excerpt(text)}` is too large or too long", "write it shorter")
