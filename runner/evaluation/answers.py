"""When two answers are the same: text -> canonical JSON text, or nothing when the text is not JSON.

The whole text must be one strict JSON value: no prose, no code fence, no duplicate key, no NaN. Numbers are compared
by value (`1` and `1.0` are one number, `1` and `true` are not), objects without regard to the order of their keys.
"""

from __future__ import annotations

import json
from typing import Any

from runner.contract.strict_json import JsonFault, read_json


def same_answer(reference: str, answer: str) -> bool:
    """Compare as JSON values when the reference is an object or array, else as text without surrounding space."""
    wanted = canonical(reference)
    return reference.strip() == answer.strip() if wanted is None else canonical(answer) == wanted


def canonical(text: str) -> str | None:
    """Return the canonical text of a JSON object or array; None for anything else."""
    value = _read(text)
    return _write(value) if isinstance(value, dict | list) else None


def members(text: str) -> dict[str, str] | None:
    """Return the members of a JSON object, each as canonical text; None for anything else."""
    value = _read(text)
    return {name: _write(member) for name, member in value.items()} if isinstance(value, dict) else None


def _read(text: str) -> Any:
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
