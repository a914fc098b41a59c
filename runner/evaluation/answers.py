"""When two answers are the same: text -> canonical JSON text, or nothing when the text is not JSON.

The whole text must be one strict JSON value: no prose, no code fence, no duplicate key, no NaN. Numbers are compared
by value (`1` and `1.0` are one number, `1` and `true` are not), objects without regard to the order of their keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from runner.contract.strict_json import SPACE, JsonFault, read_json

_SEVERAL_METRICS = 8
"""Texts kept as read: several metrics look at the same reference and answer, one right after the other."""


def same_answer(reference: str, answer: str) -> bool:
    """Compare as JSON values when the reference is an object or array, else as text without surrounding space."""
    return identity(reference) == identity(answer)


def identity(text: str) -> str:
    """Return what same answers have in common: the canonical text of a document, else the text without outer space."""
    found = canonical(text)
    return text.strip() if found is None else found


@lru_cache(_SEVERAL_METRICS)
def canonical(text: str) -> str | None:
    """Return the canonical text of a JSON object or array; None for anything else."""
    value = _document(text)
    return None if value is None else _write(value)


@lru_cache(_SEVERAL_METRICS)
def members(text: str) -> Mapping[str, str] | None:
    """Return the members of a JSON object, each as canonical text; None for anything else."""
    value = _document(text)
    return {name: _write(member) for name, member in value.items()} if isinstance(value, dict) else None


@lru_cache(_SEVERAL_METRICS)
def _document(text: str) -> Any:
    # To say what is wrong with a text that is no JSON costs more than to read one that is.
    if not text.lstrip(SPACE).startswith(("{", "[")):
        return None
    value = read_json(text)
    return None if isinstance(value, JsonFault) else value


def _write(value: Any) -> str:
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(member) for name, member in value.items()}
        case list():
            return [_plain(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
