"""A YAML file as plain data, with the place of every key path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.errors import Location, Problem


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document as plain data."""

    file: str
    """Name of the file, as it is told to people."""
    data: Any
    """The value: dictionaries, lists, text, numbers, booleans, None."""
    places: Mapping[str, Location]
    """Dotted key path -> where its key (or list item) stands; the empty path is the whole document."""
    sources: Mapping[str, str]
    """Dotted key path -> how an unquoted number, boolean or null was written."""
    findings: tuple[tuple[str, Problem], ...] = ()
    """Path and problem of everything that did not stop the reading."""

    def where(self, path: str) -> Location:
        """Return the place of a path, or of the nearest enclosing path that has one."""
        return nearest_place(self.places, path, self.file)

    def at(self, path: str | Sequence[str | int]) -> Any:
        """Return the value at a path, dotted or (for keys with dots) in parts; None where there is none."""
        value = self.data
        for part in path.split(".") if isinstance(path, str) else path:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and str(part).isdecimal() and int(part) < len(value):
                value = value[int(part)]
            else:
                return None
        return value


def nearest_place(places: Mapping[str, Location], path: str, file: str) -> Location:
    """Return the place of `path`, or of the nearest enclosing path that has one."""
    while path and path not in places:
        path = path.rpartition(".")[0]
    return places.get(path) or Location(file)
