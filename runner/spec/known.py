"""YAML documents that were read before, by the content of their files; parsing is what loading a spec costs most.

    known = KnownDocuments(cache)
    read_yaml(path, root, known)
    known.save()

A file is opened and hashed at every read, so an edit can never hide; what is remembered holds for the code that read
it, which is part of the remembered state. Only documents without findings are kept: errors are always told afresh.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import json
import os
import secrets
import sys
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner import __version__
from runner.digest import digest_bytes
from runner.errors import Location
from runner.spec.document import Document

LARGEST = 32 << 20
"""Bytes; some eight thousand specs. What was not asked for the longest makes room."""

COLUMN_BITS = 21
"""A line of a file that may be read is no longer than this many bits can count."""

# Whatever decides how a text is read, and how that is written down.
_READERS = ("yaml_file.py", "yaml_tree.py", "yaml_scalars.py", "known.py")


class KnownDocuments:
    """Remembers documents in `cache/documents`, a line each; a file that is missing or damaged costs time, no more."""

    def __init__(self, cache: Path) -> None:
        self._file = cache / "documents"
        self._reader = _reader()
        self._lines = _load(self._file, self._reader)
        self._new = False

    def find(self, data: bytes, file: str) -> Document | None:
        """Return what a file's bytes were read as.

        Args:
            data: the whole file.
            file: its name now; the same bytes may lie elsewhere too.
        """
        digest = digest_bytes(data)
        line = self._lines.pop(digest, None)
        parsed = _parse(line) if line else None
        if line is None or parsed is None:
            return None
        self._lines[digest] = line  # as the last one asked for
        # Thousands of specs have the same key paths.
        places = {sys.intern(path): place for path, place in parsed["places"].items()}
        return Document(file, parsed["data"], Places(file, places), parsed["sources"])

    def add(self, data: bytes, document: Document) -> None:
        """Remember a document, unless there is something to tell about it."""
        if document.findings:
            return
        places = {path: _number(place) for path, place in document.places.items()}
        content = {"data": document.data, "places": places, "sources": document.sources}
        text = json.dumps(content, separators=(",", ":")).encode()
        self._lines[digest_bytes(data)] = b"%08x %s" % (zlib.crc32(text), text)
        self._new = True

    def save(self) -> None:
        """Write what is known, whole or not at all."""
        if not (self._new and self._reader):
            return
        size = sum(map(len, self._lines.values()))
        lines = iter(list(self._lines))
        while size > LARGEST:
            size -= len(self._lines.pop(next(lines)))
        temporary = self._file.with_name(f".{self._file.name}-{secrets.token_hex(8)}")
        # A cache that cannot be written, on a read-only disk or a full one, must not stop a plan.
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                file.write(self._reader + b"\n")
                file.writelines(b"%s %s\n" % (digest.encode(), line) for digest, line in self._lines.items())
            temporary.replace(self._file)
            self._new = False


@dataclass(frozen=True, slots=True)
class Places(Mapping[str, Location]):
    """Places as they are kept: a Location is made when somebody asks for it, and few are asked for."""

    file: str
    """Name of the file."""
    numbers: Mapping[str, int]
    """Dotted key path -> line and column, in one number."""

    def __getitem__(self, path: str) -> Location:
        number = self.numbers[path]
        return Location(self.file, number >> COLUMN_BITS, number & (1 << COLUMN_BITS) - 1)

    def __contains__(self, path: object) -> bool:
        return path in self.numbers

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)


def _number(place: Location) -> int:
    return (place.line or 0) << COLUMN_BITS | (place.column or 0)


def _reader() -> bytes:
    """Name the code that reads YAML: release, and state of its files; nothing where they are not plain files."""
    package = importlib.machinery.PathFinder.find_spec("yaml")
    here = Path(__file__).parent
    try:
        states = [os.stat(here / name) for name in _READERS]  # noqa: PTH116
        states.append(os.stat(str(package and package.origin)))  # noqa: PTH116
    except OSError:
        return b""
    return " ".join([__version__, *(f"{state.st_size}:{state.st_mtime_ns}" for state in states)]).encode()


def _load(file: Path, reader: bytes) -> dict[str, bytes]:
    try:
        first, *lines = file.read_bytes().splitlines()
    except (OSError, ValueError):
        return {}
    if not reader or first != reader:
        return {}
    entries = (line.partition(b" ") for line in lines)
    return {digest.decode("ascii", "replace"): line for digest, _, line in entries}


def _parse(line: bytes) -> Any:
    """Return what a line says, or None where it was damaged."""
    sum_, _, text = line.partition(b" ")
    return json.loads(text) if sum_ == b"%08x" % zlib.crc32(text) else None
