"""A model -> what each of its places may hold, in words: `` a number, greater than 0 and less than 1 ``.

One description serves error messages, `docs/spec.md` and the search for misplaced keys. It is read from the model's
JSON Schema, so that what people are told is what their editor checks. Loaded only when there is something to tell.
"""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

# What a pattern asks for, in words; the keys are the patterns of runner.spec.models, lock and config.
PATTERNS = {
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$": "the label of a runner",
    r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$": "a name of lowercase letters, digits and inner hyphens (at most 63)",
    r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$": "a version of three numbers, such as 1.0.0",
    r"^[a-z][a-z0-9_]*(\.[A-Za-z0-9_-]+)?$": "a metric, such as exact_match or exact_match.queue",
    r"^\d+(\.\d+)?\s*%$": "a percentage, such as 10%",
    r"^(base|champion|version:\d+\.\d+\.\d+|spec:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$": (
        "`base`, `champion` or a version, such as version:1.2.0, or spec:NAME"
    ),
    r"^[a-z][a-z0-9_]*$": "a metric's name: lowercase letters, digits and underscores",
    r"^[A-Za-z_][A-Za-z0-9_]*$": "the name of an environment variable",
    r"^(pkg://[A-Za-z_]\w*/.+|hf://[\w.-]+/[\w.-]+@[0-9a-f]{40}|file://.+)$": (
        "pkg://PACKAGE/FOLDER, hf://ORG/NAME@COMMIT (40 hex digits) or file://DIR"
    ),
    r"^[0-9a-f]{64}$": "a sha256 of 64 lowercase hexadecimal digits",
}


class _Documented(GenerateJsonSchema):
    """JSON Schema with the string under a field as its description, and no titles, which would repeat the key.

    The strings are read here and not by pydantic (`use_attribute_docstrings`), which reads the source of every model
    when it is imported: that took a sixth of the time of a plan, which needs none of them.
    """

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """Return the JSON Schema of one model."""
        found = super().model_schema(schema)
        for name, text in _field_docs(schema["cls"]):
            found["properties"][name]["description"] = text
        return found


def _field_docs(model: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Yield the name of every field of a model's class body, and the string under it."""
    (body,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    for field, below in itertools.pairwise(getattr(body, "body", [])):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, inspect.cleandoc(text)


@functools.cache
def model_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the JSON Schema of a model, with descriptions on one line. Shared: not to be changed."""
    schema: dict[str, Any] = _one_line(model.model_json_schema(schema_generator=_Documented))
    return schema


def _one_line(node: Any) -> Any:
    """Return a JSON Schema with the line breaks of its descriptions made spaces."""
    if isinstance(node, dict):
        return {
            key: " ".join(value.split()) if key == "description" and isinstance(value, str) else _one_line(value)
            for key, value in node.items()
        }
    return [_one_line(item) for item in node] if isinstance(node, list) else node


@dataclass(frozen=True, slots=True)
class Shape:
    """What one place may hold, seen through its JSON Schema."""

    node: Mapping[str, Any]
    """The schema at this place."""
    definitions: Mapping[str, Any]
    """The `$defs` of the whole."""

    @classmethod
    def of(cls, model: type[BaseModel]) -> Shape:
        """Return the shape of a whole model."""
        schema = model_schema(model)
        return cls(schema, schema.get("$defs", {}))

    @property
    def resolved(self) -> Mapping[str, Any]:
        """The schema at this place, its reference followed."""
        if "$ref" not in self.node:
            return self.node
        resolved: Mapping[str, Any] = self.definitions[self.node["$ref"].rpartition("/")[2]]
        return resolved

    @property
    def title(self) -> str:
        """Name of the model that this place holds, if it holds one; pydantic tags union errors with it."""
        return str(self.resolved.get("title", ""))

    @property
    def kind(self) -> str:
        """JSON type of a place that holds one kind of value."""
        return str(self.resolved.get("type", ""))

    def members(self) -> list[Shape]:
        """Return the alternatives at this place; itself when there is one only."""
        node = self.resolved
        return [Shape(member, self.definitions) for member in node.get("anyOf", [])] or [Shape(node, self.definitions)]

    def fields(self) -> dict[str, Shape]:
        """Return the keys of the mapping, or of all alternative mappings, that may stand here."""
        return {
            key: Shape(node, self.definitions)
            for member in self.members()
            for key, node in member.resolved.get("properties", {}).items()
        }

    def at(self, part: str | int) -> Shape | None:
        """Return the shape one step down: of a key, or of the items of a list."""
        if part in (keys := self.fields()):
            return keys[str(part)]
        for member in self.members():
            node = member.resolved
            below = node.get("items") if isinstance(part, int) else node.get("additionalProperties")
            if isinstance(below, dict):
                return Shape(below, self.definitions)
        return None

    def walk(self, path: str = "") -> Iterator[tuple[str, str, Shape]]:
        """Yield (path of the mapping, key, shape) of every key below, list items included."""
        for key, shape in self.fields().items():
            yield path, key, shape
            yield from shape.walk(f"{path}.{key}" if path else key)
        for member in self.members():
            if (items := member.at(0)) is not None and items.fields():
                yield from items.walk(path)

    def accepts(self, *kinds: str) -> bool:
        """Return whether an alternative here is of one of the JSON types."""
        return any(member.kind in kinds for member in self.members())

    def choices(self) -> list[str]:
        """Return the words that may stand here, when there is a list of them."""
        nodes = [member.resolved for member in self.members()]
        return [str(word) for node in nodes for word in node.get("enum", [node["const"]] if "const" in node else [])]

    def text_pattern(self) -> str | None:
        """Return the pattern of the text that may stand here; None when only numbers or listed words may."""
        texts = [m.resolved for m in self.members() if m.kind == "string" and not m.choices()]
        return texts[0].get("pattern", "") if texts and not self.accepts("integer", "number") else None

    def words(self) -> str:
        """Return what may stand here, as the end of the sentence "it must be …"; null goes without saying."""
        choices = [f"`{choice}`" for choice in self.choices()]
        others = [_words(m.resolved) for m in self.members() if not m.choices() and m.kind != "null"]
        return joined([*choices, *others])


def joined(words: Sequence[str], last: str = "or") -> str:
    """Return `a, b or c`."""
    return f" {last} ".join(part for part in (", ".join(words[:-1]), *words[-1:]) if part)


def _words(node: Mapping[str, Any]) -> str:
    """Return what a schema without alternatives asks for."""
    match node.get("type"):
        case "integer" | "number" as kind:
            return ("a whole number" if kind == "integer" else "a number") + _bounds(node)
        case "boolean":
            return "true or false"
        case "array":
            return "a list" + _items(node)
        case "object":
            required = joined([f"`{key}`" for key in node.get("required", [])], "and")
            return f"a mapping with {required}" if required else "a mapping"
        case _:
            return PATTERNS.get(node.get("pattern", ""), "text")


def _bounds(node: Mapping[str, Any]) -> str:
    """Return the range of a number."""
    if "minimum" in node and "maximum" in node:
        return f" from {node['minimum']:g} to {node['maximum']:g}"
    phrases = {
        "minimum": "of at least",
        "exclusiveMinimum": "greater than",
        "maximum": "of at most",
        "exclusiveMaximum": "less than",
    }
    told = [f"{phrase} {node[key]:g}" for key, phrase in phrases.items() if key in node]
    return f" {' and '.join(told)}" if told else ""


def _items(node: Mapping[str, Any]) -> str:
    """Return what a list holds, and how much of it."""
    items = node.get("items", {})
    of = " of mappings" if "$ref" in items else " of text" if items == {"type": "string"} else f", each {_words(items)}"
    least = node.get("minItems", 0)
    return of + (f" (at least {least})" if least else "")
