"""YAML text -> plain data and the place of every key path.

`read_tree(text, "specs/x/spec.yaml") -> Document`. It walks PyYAML's event stream instead of composing nodes, which is
twice as fast and lets depth, size and aliases be bounded while reading: the C composer overflows the stack on deeply
nested text. YAML is data here; tags and merge keys are findings, told together with everything else that is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import yaml

from runner.errors import Location, Problem, SpecError
from runner.spec.document import Document
from runner.spec.excerpt import excerpt
from runner.spec.yaml_scalars import Unclear, resolve

MAX_DEPTH = 20
MAX_VALUES = 50_000
MAX_PATH = 1_000

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_tree(text: str, file: str) -> Document:
    """Read the one document in `text`.

    Raises:
        SpecError: when it is too deep, too large, or refers to an unknown anchor.
        yaml.YAMLError: when it is not YAML; the caller puts it into plain words.
    """
    reader = _Reader(text, file)
    data = reader.document()
    return Document(file, data, reader.places, reader.sources, tuple(reader.findings))


class _Reader:
    """One pass over the events of one text."""

    def __init__(self, text: str, file: str) -> None:
        self.places: dict[str, Location] = {}
        self.sources: dict[str, str] = {}
        self.findings: list[tuple[str, Problem]] = []
        self._file = file
        self._next: Callable[[], Any] = _Loader(text).get_event
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._values = 0

    def document(self) -> Any:
        """Return the value of the only document; None when there is none."""
        data: Any = None
        documents = 0
        while type(event := self._next()) is not yaml.StreamEndEvent:
            if type(event) is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    self._fail(event, "a second YAML document starts here", "keep one document a file: remove `---`")
                first = self._next()
                self.places[""] = self._location(first)
                data = self._value(first, "", 0)
        return data

    def _value(self, event: Any, path: str, depth: int) -> Any:
        """Return the value that starts with `event`."""
        self._count(event, 1)
        if type(event) is yaml.AliasEvent:
            return self._alias(event)
        if event.tag is not None:
            self._refuse_tag(event, path)
        before = self._values
        if type(event) is yaml.ScalarEvent:
            value = self._scalar(event, path)
        elif depth >= MAX_DEPTH:
            self._fail(event, f"nested deeper than {MAX_DEPTH} levels", "no key of Gitune lies that deep")
        elif type(event) is yaml.MappingStartEvent:
            value = self._mapping(path, depth)
        else:
            value = self._sequence(path, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._values - before)
        return value

    def _mapping(self, path: str, depth: int) -> dict[str, Any]:
        """Read keys and values up to the end of a mapping. Keys are always text, as in JSON."""
        mapping: dict[str, Any] = {}
        while type(event := self._next()) is not yaml.MappingEndEvent:
            if type(event) is not yaml.ScalarEvent:
                self._fail(event, "a key must be text", "write `key: value`, with a space after the colon")
            if event.tag is not None:
                self._refuse_tag(event, "")
            key: str = event.value
            inner = self._join(event, path, key)
            if key in mapping or (key == "<<" and event.implicit[0]):
                self._refuse_key(event, path, key, depth)
                continue
            self.places[inner] = self._location(event)
            mapping[key] = self._value(self._next(), inner, depth + 1)
        return mapping

    def _refuse_tag(self, event: Any, path: str) -> None:
        """Report an explicit tag, whatever it says; the value is read as if it had none."""
        message = f"the tag `{excerpt(event.tag)}` is not allowed"
        self._find(event, path, message, "this is plain data: remove the tag")

    def _refuse_key(self, event: Any, path: str, key: str, depth: int) -> None:
        """Report a duplicate or merge key and read past its value, whose places and findings nobody needs."""
        first = self.places.get(self._join(event, path, key))
        if first is None:
            self._find(event, "", "merge keys (`<<`) are not allowed", "write the keys out")
        else:
            message = f"duplicate key `{excerpt(key)}`: line {first.line} and line {self._location(event).line}"
            self._find(event, "", message, "keep one of them")
        kept = self.places, self.sources, self.findings
        self.places, self.sources, self.findings = {}, {}, []
        self._value(self._next(), "", depth + 1)
        self.places, self.sources, self.findings = kept

    def _sequence(self, path: str, depth: int) -> list[Any]:
        """Read items up to the end of a sequence."""
        items: list[Any] = []
        while type(event := self._next()) is not yaml.SequenceEndEvent:
            inner = self._join(event, path, str(len(items)))
            self.places[inner] = self._location(event)
            items.append(self._value(event, inner, depth + 1))
        return items

    def _scalar(self, event: Any, path: str) -> Any:
        """Return the value of a scalar; quoted and block scalars are text."""
        if not event.implicit[0]:
            return event.value
        value = resolve(event.value)
        if isinstance(value, Unclear):
            self._find(event, path, value.message, value.hint)
            return event.value
        if type(value) is not str:
            self.sources[path] = event.value
        return value

    def _alias(self, event: Any) -> Any:
        """Return the value of an anchor, counting everything below it again: aliases of aliases grow like powers."""
        if event.anchor not in self._anchors:
            self._fail(event, f"unknown anchor `{excerpt(event.anchor)}`", "define it with `&` on an earlier line")
        value, size = self._anchors[event.anchor]
        self._count(event, size)
        return value

    def _count(self, event: Any, size: int) -> None:
        """Stop when the document, with its aliases written out, has become too large."""
        self._values += size
        if self._values > MAX_VALUES:
            self._fail(event, f"more than {MAX_VALUES:,} values, aliases included", "keep data in files of its own")

    def _join(self, event: Any, path: str, part: str) -> str:
        """Return the path of a key or item below `path`."""
        inner = f"{path}.{part}" if path else part
        if len(inner) > MAX_PATH:
            self._fail(event, f"a key path longer than {MAX_PATH:,} characters", "shorten the key")
        return inner

    def _location(self, event: Any) -> Location:
        """Return where an event starts, counted from 1."""
        mark = event.start_mark
        return Location(self._file, mark.line + 1, mark.column + 1)

    def _find(self, event: Any, path: str, message: str, hint: str) -> None:
        """Add a finding. Nothing else will be said about the value at `path`."""
        self.findings.append((path, Problem(message, self._location(event), hint)))

    def _fail(self, event: Any, message: str, hint: str) -> NoReturn:
        """Stop reading."""
        raise SpecError([Problem(message, self._location(event), hint)])
