"""What pydantic found wrong -> Problems in plain sentences, each at its line.

One sentence pattern serves every wrong value ("`x` must be …, not …"), and a union such as `output_format` yields one
problem, never one for each alternative. Loaded only when there is an error to tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from runner.errors import Problem
from runner.spec.document import Document
from runner.spec.excerpt import excerpt
from runner.spec.names import nearest, unknown_key
from runner.spec.shape import Shape, joined
from runner.spec.yaml_scalars import resolve

Path = tuple[str | int, ...]
Finding = tuple[str, Problem]

# Each costs some work to explain; nobody reads so many.
MAX_ERRORS = 1_000


def explain(errors: Sequence[ErrorDetails], model: type[BaseModel], document: Document) -> list[Finding]:
    """Return what is wrong for every error of a validation, with the path it is about."""
    return _Explainer(Shape.of(model), document).findings(errors[:MAX_ERRORS])


def dotted(path: Iterable[str | int]) -> str:
    """Return a path as it is written in messages and places: `evaluation.gates.0.metric`."""
    return ".".join(str(part) for part in path)


class _Explainer:
    """Explains the errors of one document."""

    def __init__(self, whole: Shape, document: Document) -> None:
        self._whole = whole
        self._document = document
        self._meant: set[str] = set()

    def findings(self, errors: Sequence[Mapping[str, Any]]) -> list[Finding]:
        """Return the problems of the whole document. A key that is there, misspelt, is not told to be missing."""
        present = [error for error in errors if error["type"] != "missing"]
        missing = [error for error in errors if error["type"] == "missing"]
        findings = self._explain(present, self._whole, ())
        return findings + [f for f in self._explain(missing, self._whole, ()) if f[0] not in self._meant]

    def _explain(self, errors: Sequence[Mapping[str, Any]], shape: Shape, base: Path) -> list[Finding]:
        """Return the problems of `errors`, whose locations are relative to `base`, a place of this shape."""
        findings: list[Finding] = []
        unions: dict[Path, tuple[Shape, list[Mapping[str, Any]]]] = {}
        for error in errors:
            place = _locate(shape, tuple(error["loc"]))
            if place.rest:
                unions.setdefault(place.path, (place.own, []))[1].append({**error, "loc": place.rest})
            else:
                findings.append(self._problem(error, base + place.path, place))
        for path, (own, inner) in unions.items():
            findings += self._union(inner, own, base + path)
        return findings

    def _union(self, errors: Sequence[Mapping[str, Any]], shape: Shape, path: Path) -> list[Finding]:
        """Return the problems of one place with alternatives: those of the alternative that was meant."""
        value = self._document.at(path)
        meant = [m for m in shape.members() if isinstance(value, dict) and m.fields().keys() & value.keys()]
        meant += [m for m in shape.members() if isinstance(value, list) and m.kind == "array"]
        if len(meant) > 1:
            choices = joined([f"`{key}`" for key in shape.fields()])
            return [self._found(path, f"`{dotted(path)}` takes exactly one of {choices}", "remove the others")]
        if len(meant) == 1:
            tags = (meant[0].title,) if isinstance(value, dict) else ("list",)
            own = [{**e, "loc": e["loc"][1:]} for e in errors if str(e["loc"][0]).startswith(tags)]
            return self._explain(own, meant[0], path)
        if isinstance(value, dict) and value:
            return [self._unknown_key(path, next(iter(value)), shape)]
        return [self._wrong_value(path, shape, value)]

    def _unknown_key(self, mapping: Path, key: str, shape: Shape) -> Finding:
        """Return the problem of a key that the mapping does not know, and remember which one was meant."""
        unknown = unknown_key(dotted(mapping), key, shape, self._whole)
        self._meant.add(unknown.meant)
        return self._found((*mapping, key), unknown.message, unknown.hint)

    def _problem(self, error: Mapping[str, Any], path: Path, place: _Place) -> Finding:
        """Return the problem of one error at a place without alternatives."""
        if error["type"] == "missing":
            where = self._document.where(dotted(path[:-1]))
            return dotted(path), Problem(f"`{dotted(path)}` is missing", where, f"it must be {place.own.words()}")
        if error["type"] == "extra_forbidden":
            return self._unknown_key(path[:-1], str(path[-1]), place.mapping)
        if error["type"] == "value_error":
            prefix = f"`{dotted(path)}`: " if path else ""
            return self._found(path, f"{prefix}{error['ctx']['error']}")
        return self._wrong_value(path, place.own, self._document.at(path))

    def _wrong_value(self, path: Path, shape: Shape, value: Any) -> Finding:
        """Return the problem of a value that may not stand at `path`."""
        name = dotted(path)
        if value is None:
            remedy = "indent its keys below it" if shape.fields() else f"it must be {shape.words()}"
            return self._found(path, f"`{name}` has no value", f"{remedy}, or leave the key out for its default")
        source = self._document.sources.get(name)
        message = f"`{name}` must be {shape.words()}, not {_shown(value, source, shape)}"
        return self._found(path, message, _remedy(value, source, shape))

    def _found(self, path: Path, message: str, hint: str = "") -> Finding:
        """Return a finding at the place of `path`."""
        return dotted(path), Problem(message, self._document.where(dotted(path)), hint)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where an error's location leads."""

    path: Path
    """The way there, up to the first place with alternatives."""
    mapping: Shape
    """What encloses the last step."""
    own: Shape
    """The place itself; the enclosing mapping when it does not know the key."""
    rest: Path = ()
    """The tag of an alternative and the way below it."""


def _locate(shape: Shape, loc: Path) -> _Place:
    """Follow an error's location."""
    mapping = own = shape
    for index, part in enumerate(loc):
        if len([member for member in own.members() if member.kind != "null"]) > 1:
            return _Place(loc[:index], mapping, own, loc[index:])
        mapping, own = own, own.at(part) or own
    return _Place(loc, mapping, own)


def _shown(value: Any, source: str | None, shape: Shape) -> str:
    """Return a value as a message repeats it, with its kind when that is what is wrong."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, str):
        return f"`{excerpt(value)}`" if shape.accepts("string") else f"the text `{excerpt(value)}`"
    text = excerpt(source or str(value).lower())
    return text if isinstance(value, bool) or shape.accepts("integer", "number") else f"the number {text}"


def _remedy(value: Any, source: str | None, shape: Shape) -> str:
    """Return what to write instead, where that can be known."""
    if isinstance(value, str):
        return _remedy_for_text(value, shape)
    if source and (pattern := shape.text_pattern()) is not None:
        for candidate in (source, f"{source}.0", f"{source}.0.0"):
            if re.search(pattern, candidate):
                kind = "a switch" if isinstance(value, bool) else "a number"
                return f'YAML reads `{source}` as {kind}; quote text: "{candidate}"'
    return f"its keys: {', '.join(shape.fields())}" if shape.fields() else ""


def _remedy_for_text(value: str, shape: Shape) -> str:
    """Return what to write instead of a text."""
    if (guess := nearest(value, shape.choices())) and f"`{guess}`" != shape.words():
        return f"did you mean `{guess}`?"
    if shape.accepts("array") and not shape.accepts("string"):
        return f"write a list: [{excerpt(value)}]"
    if shape.accepts("integer", "number") and isinstance(resolve(value.strip(" %")), int | float):
        return f"write {excerpt(value.strip(' %'))}, without quotes or unit"
    return ""
