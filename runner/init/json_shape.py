"""JSON answers -> the JSON Schema that all of them satisfy, as narrow as the data allow it to be said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from runner.contract.json_schema import DIALECT

MOST_VALUES = 50
"""Different texts above which a field is free text."""
LONGEST_VALUE = 60
"""Characters above which a text is no name of a choice."""
_SEEN = 4
"""Times that the average value of a choice occurs; rarer ones would refuse what is merely new."""
_MOST_KEYS = 100
"""Keys above which an object is a dictionary, whose keys are data."""
_DEEPEST = 8
_TYPES: Mapping[type, str] = {
    bool: "boolean",
    type(None): "null",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def schema_of(answers: Sequence[dict[str, Any]], title: str) -> dict[str, Any]:
    """Return a schema that every answer satisfies."""
    return {"$schema": DIALECT, "title": title, **_of_objects(answers, 0)}


def is_choice(texts: Sequence[str]) -> bool:
    """Return whether texts are the names of a few choices."""
    kinds = set(texts)
    few = 1 < len(kinds) <= MOST_VALUES and len(kinds) * _SEEN <= len(texts)
    return few and all(text.strip() and len(text) <= LONGEST_VALUE and text.isprintable() for text in kinds)


def _of_objects(objects: Sequence[dict[str, Any]], depth: int) -> dict[str, Any]:
    counts = Counter(key for each in objects for key in each)
    if len(counts) > _MOST_KEYS or depth >= _DEEPEST:
        return {"type": "object"}
    return {
        "type": "object",
        "properties": {key: _of([each[key] for each in objects if key in each], depth + 1) for key in counts},
        "required": [key for key, count in counts.items() if count == len(objects)],
        "additionalProperties": False,
    }


def _of(values: Sequence[Any], depth: int) -> dict[str, Any]:
    by_type: dict[str, list[Any]] = {}
    for value in values:
        by_type.setdefault(_type(value), []).append(value)
    if set(by_type) == {"integer", "number"}:
        by_type = {"number": [*values]}
    if set(by_type) == {"string"} and is_choice(values):
        return {"enum": sorted(set(values))}
    shapes = [_of_type(name, found, depth) for name, found in by_type.items()]
    if len(shapes) > 1 and all(set(shape) == {"type"} for shape in shapes):
        return {"type": [shape["type"] for shape in shapes]}
    return shapes[0] if len(shapes) == 1 else {"anyOf": shapes}


def _of_type(name: str, values: Sequence[Any], depth: int) -> dict[str, Any]:
    if name == "object":
        return _of_objects(values, depth)
    if name == "array" and depth < _DEEPEST:
        items = [item for value in values for item in value]
        return {"type": "array", "items": _of(items, depth + 1)} if items else {"type": "array"}
    return {"type": name}


def _type(value: Any) -> str:
    return _TYPES[type(value)]
