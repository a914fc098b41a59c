"""The answers of examples -> what kind of task they are: labels, JSON objects, short texts, long texts, preferences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from runner.contract.strict_json import JsonFault, read_json
from runner.data.rows import Example, text_of
from runner.errors import DataError, Location, Problem
from runner.init.json_shape import LONGEST_VALUE, schema_of

MOST_LABELS = 300
"""Different answers above which they are no labels."""
_TIMES_SEEN = 3
"""Times that the average label occurs at least."""
_SHORT = 8
"""Words of a short answer."""
_NUMBER = re.compile(r"[-+]?\d[\d,]*(\.\d+)?")
_FIELD = re.compile(r"[A-Za-z0-9_-]+")
_MOSTLY = 0.9

Kind = Literal["labels", "json", "numbers", "short", "long", "preferences"]


@dataclass(frozen=True, slots=True)
class Answers:
    """What the answers have in common."""

    kind: Kind
    labels: list[str] = field(default_factory=list)
    """The labels, sorted."""
    schema: dict[str, Any] | None = None
    """JSON Schema of JSON answers."""
    label: str | None = None
    """Field of JSON answers that has most to say among those with a few values."""
    fields: list[str] = field(default_factory=list)
    """Fields of every JSON answer that are right or wrong as a whole."""
    closed: bool = False
    """Whether each field of the JSON answers is a choice among a few values."""
    remarks: list[Problem] = field(default_factory=list)
    """What their owner had better look at."""


def read_answers(examples: Sequence[Example], name: str) -> Answers:
    """Find out what the answers are.

    Args:
        examples: different rows.
        name: of the spec, for the schema's title.

    Raises:
        DataError: when all answers are the same, so that there is nothing to learn.
    """
    if any(example.rejected is not None for example in examples):
        return Answers("preferences")
    texts = [text_of(example.messages[-1]).strip() for example in examples]
    if len(set(texts)) == 1:
        hint = "fine-tuning learns to tell questions apart: add rows with other answers"
        raise DataError([Problem("every row has the same answer", examples[0].where, hint)])
    objects = [_object(text) for text in texts]
    found = [each for each in objects if each is not None]
    if len(found) == len(texts):
        return _json(found, name)
    remarks = _odd_ones(examples, objects) if len(found) >= _MOSTLY * len(texts) else []
    if not found and _are_labels(texts):
        labels = sorted(set(texts))
        return Answers("labels", labels=labels, remarks=_look_alike(labels, examples[0].where))
    if all(_NUMBER.fullmatch(text) for text in texts):
        return Answers("numbers")
    short = median(len(text.split()) for text in texts) <= _SHORT and not any("\n" in text for text in texts)
    return Answers("short" if short else "long", remarks=remarks)


def _object(text: str) -> dict[str, Any] | None:
    value = read_json(text) if text.startswith("{") else None
    return value if isinstance(value, dict) and not isinstance(value, JsonFault) else None


def _are_labels(texts: Sequence[str]) -> bool:
    kinds = set(texts)
    few = len(kinds) <= MOST_LABELS and len(kinds) * _TIMES_SEEN <= len(texts)
    return few and all(text and len(text) <= LONGEST_VALUE and text.isprintable() for text in kinds)


def _json(objects: Sequence[dict[str, Any]], name: str) -> Answers:
    schema = schema_of(objects, f"Answer of {name}")
    properties: dict[str, Any] = schema.get("properties", {})
    required = set(schema.get("required", ()))
    choices = {key: shape["enum"] for key, shape in properties.items() if "enum" in shape and key in required}
    plain = [key for key, shape in properties.items() if key in required and _is_whole(shape) and _FIELD.fullmatch(key)]
    closed = bool(properties) and all(
        ("enum" in shape or shape.get("type") == "boolean") and key in required for key, shape in properties.items()
    )
    label = max(choices, key=lambda key: len(choices[key]), default=None)
    return Answers("json", schema=schema, label=label, fields=plain, closed=closed)


def _is_whole(shape: dict[str, Any]) -> bool:
    return "enum" in shape or shape.get("type") in ("boolean", "integer", "number")


def _odd_ones(examples: Sequence[Example], objects: Sequence[dict[str, Any] | None]) -> list[Problem]:
    odd = [example for example, value in zip(examples, objects, strict=True) if value is None]
    message = f"{len(odd)} of {len(examples)} answers are no JSON object, unlike all others; the first is here"
    return [Problem(message, odd[0].where, "mend them, and init proposes a JSON Schema and metrics for each field")]


def _look_alike(labels: Sequence[str], where: Location) -> list[Problem]:
    seen: dict[str, str] = {}
    remarks = []
    for label in labels:
        if (other := seen.setdefault(label.casefold(), label)) != label:
            message = f"labels {other!r} and {label!r} differ in case only"
            remarks.append(Problem(message, Location(where.file), "write them alike if they mean the same"))
    return remarks
