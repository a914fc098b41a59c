"""Facts <-> JSON objects in a store, and the numbered entries that logs are made of.

An entry is `<folder>/<number>.json`. Creating the next number is the one way anything is ever added, so of two writers
exactly one gets it.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TypeVar

from pydantic import ValidationError

from runner.registry.facts import Fact
from runner.registry.store import Store

AnyFact = TypeVar("AnyFact", bound=Fact)

_ENTRY = re.compile(r"(\d+)\.json")


def encode(fact: Fact) -> bytes:
    """Write a fact so that a person can read it and equal facts have equal bytes.

    Raises:
        ValueError: for NaN, which pydantic's own JSON would silently turn into null.
    """
    value = fact.model_dump()
    text = json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False, default=_time)
    return f"{text}\n".encode()


def decode(kind: type[AnyFact], data: bytes | None) -> AnyFact | None:
    """Read a fact back, or return None when the bytes are not one."""
    if data is None:
        return None
    try:
        return kind.model_validate_json(data)
    except ValidationError:
        return None


def numbered(store: Store, folder: str) -> dict[str, dict[int, str]]:
    """Return the keys of all entries below a folder: log -> number -> key."""
    logs: dict[str, dict[int, str]] = {}
    for key in store.list(folder):
        log, _, name = key.rpartition("/")
        if match := _ENTRY.fullmatch(name):
            logs.setdefault(log, {})[int(match[1])] = key
    return logs


def append(store: Store, log: str, fact: Fact) -> None:
    """Create a fact under the next free number of a log; whoever is overtaken takes the one after."""
    number = max(numbered(store, log).get(log, {}), default=0) + 1
    while not store.create(f"{log}/{number}.json", encode(fact)):
        number += 1


def _time(value: object) -> str:
    if not isinstance(value, datetime):
        raise TypeError(f"{type(value).__name__} is not JSON")
    return value.isoformat()
