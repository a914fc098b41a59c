"""A text -> the JSON in it: what `extract: true` takes for the answer.

The rule, in this order, so that the same text always gives the same JSON:

1. the whole text, when it is one JSON object or array;
2. the content of the first code fence that is one;
3. the first object or array that stands anywhere in the text. One that begins and never ends was cut off: it is
   taken up to the end, and nothing that stands inside it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from json import JSONDecodeError

from runner.contract.strict_json import SPACE, ends_early
from runner.contract.violation import OutputContract

TRIES = 100
"""Brackets that are looked at; each may cost a pass over the rest of the text."""

# What is taken out is read strictly afterwards: a duplicate key must be told as one and not hide the object.
_DECODER = json.JSONDecoder()
_FENCE = re.compile(r"```[^\n`]*\n(.*?)```", re.DOTALL)
_BRACKET = re.compile(r"[{\[]")


def effective_answer(text: str, contract: OutputContract | None) -> str:
    """Return the part of an answer, or of a reference, that is compared: all of it, unless the format extracts."""
    return text if contract is None else contract.extracted(text)


def find_json(text: str) -> str | None:
    """Return the JSON object or array in a text, or None when there is none."""
    return next((found for found in _candidates(text) if found is not None), None)


def _candidates(text: str) -> Iterator[str | None]:
    stripped = text.strip(SPACE)
    yield stripped if _end(stripped, 0) == len(stripped) else None
    for fence in _FENCE.finditer(text):
        inside = fence[1].strip(SPACE)
        yield inside if _end(inside, 0) == len(inside) else None
    for number, bracket in enumerate(_BRACKET.finditer(stripped)):
        if number == TRIES:
            return
        start = bracket.start()
        end = _end(stripped, start)
        yield None if end is None else stripped[start:end]


def _end(text: str, start: int) -> int | None:
    """Return where the object or array that begins at a place ends; None when none does."""
    if not text.startswith(("{", "["), start):
        return None
    try:
        return _DECODER.raw_decode(text, start)[1]
    except JSONDecodeError as error:
        cut_off = ends_early(text, error) and len(text) > start + 1  # a last lone bracket begins nothing
        return len(text) if cut_off else None
    except (ValueError, RecursionError):
        return None
