"""A store's facts in one file: what plans of strangers' pull requests read, without credentials or a network.

    write_snapshot(store, file)          # after every deployment, by who may read the store
    store = read_snapshot(file)          # by anybody

It holds every small object of main's (records, failures, versions, deployments, decisions, leases), the sizes of all
blobs, and of blobs' bytes only the lists of files that trees are made of. What a plan says from it is what it would say
from the store at that time, but that nobody verified bytes. Equal stores make equal files, but for the time in the
first line.
"""

from __future__ import annotations

import gzip
import json
import secrets
import zlib
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from runner.errors import RegistryError
from runner.registry.artifacts import blob_key
from runner.registry.listing import Listed
from runner.registry.spread import spread
from runner.registry.store import Store
from runner.registry.trees import parse_manifest

KIND, FORMAT = "gitune/registry-snapshot", "1.0"

LARGEST = 1 << 30
"""Bytes that a snapshot may unpack to: it is read where strangers' trees are planned."""

FACTS = ("gitune.json", "records", "failures", "versions", "deployments", "decisions", "leases")
BLOBS = "blobs"

AFTER_SLASH = chr(ord("/") + 1)

_MANIFEST = 1 << 20
"""Bytes; a tree whose list of files is longer is only known by its size."""


def write_snapshot(store: Store, file: Path, now: datetime | None = None) -> int:
    """Write a store's facts to a file, whole or not at all; return how many objects it holds.

    Raises:
        RegistryError: when the store cannot be read.
        TransientError: when it cannot be reached.
        OSError: when the file cannot be written.
    """
    count, unfinished = 0, file.with_name(f".{file.name}-{secrets.token_hex(8)}")
    try:
        with unfinished.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
            for line in _lines(store, now or datetime.now(UTC)):
                packed.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
                count += 1
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
    return count - 1


def facts_of(store: Store) -> frozenset[str]:
    """Return where a store has facts, but leases: what lies there never changes, so equal places mean equal facts."""
    return frozenset(key for folder in FACTS if folder != "leases" for key in _keys(store, folder))


def _lines(store: Store, now: datetime) -> Iterator[dict[str, Any]]:
    yield {"kind": KIND, "format_version": FORMAT, "made": now.isoformat(timespec="seconds")}
    trees: set[str] = set()
    for folder in FACTS:
        keys = sorted(_keys(store, folder))
        for key, data in zip(keys, spread(store.read, keys), strict=True):
            if data is not None:
                trees |= {blob_key(digest) for digest in _trees(data)}
                yield {"key": key, "data": _text(data)}
    blobs = sorted(store.entries(BLOBS))
    manifests = [listed.key for listed in blobs if listed.key in trees and listed.size <= _MANIFEST]
    lists = dict(zip(manifests, spread(store.read, manifests), strict=True))
    for listed in blobs:
        yield {"key": listed.key, "size": listed.size, **_manifest(lists.get(listed.key))}


def _keys(store: Store, folder: str) -> Iterable[str]:
    return [folder] if "." in folder else store.list(folder)


def _text(data: bytes) -> str:
    """Return any bytes as text that JSON holds: a fact that was damaged must read as damaged from here, too."""
    return data.decode(errors="surrogateescape")


def _trees(fact: bytes) -> Iterator[str]:
    """Yield the digests of trees that a fact names, wherever they stand in it; of what is no JSON none."""
    try:
        waiting = [json.loads(fact)]
    except ValueError:
        return
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if value.get("kind") == "tree" and isinstance(value.get("digest"), str):
                yield value["digest"]
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _manifest(data: bytes | None) -> dict[str, str]:
    """Return a tree's list of files: without its bytes nobody knows whether the tree is there."""
    # What is none may be rows: nothing but names, sizes and digests is published.
    with suppress(RegistryError):
        if data is not None and parse_manifest(data):
            return {"data": _text(data)}
    return {}


def read_snapshot(file: Path) -> SnapshotStore:
    """Read what `write_snapshot` wrote.

    Raises:
        RegistryError: when it is no snapshot, is damaged, or was made by a newer release.
    """
    lines = _unpacked(file)
    head = _parsed(next(lines, b""))
    if head.get("kind") != KIND or head.get("format_version") != FORMAT:
        raise RegistryError(
            f"{file} is no registry snapshot of this release", hint="`gitune registry snapshot` writes one"
        )
    try:
        objects = dict(map(_object, lines))
        made = datetime.fromisoformat(head["made"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RegistryError(f"{file} is damaged", hint="fetch the snapshot again") from error
    return SnapshotStore(objects, made, str(file))


def _object(line: bytes) -> tuple[str, tuple[int, bytes | None]]:
    entry = _parsed(line)
    data = entry["data"].encode(errors="surrogateescape") if "data" in entry else None
    return str(entry["key"]), (int(entry["size"]) if data is None else len(data), data)


def _unpacked(file: Path) -> Iterator[bytes]:
    left = LARGEST
    try:
        with gzip.open(file, "rb") as packed:
            while line := packed.readline(left):
                left -= len(line)
                if left <= 0:
                    raise RegistryError(f"{file} unpacks to more than {LARGEST} bytes")
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise RegistryError(f"{file} cannot be read: {error}", hint="fetch the snapshot again") from error


def _parsed(line: bytes) -> dict[str, Any]:
    """Return a line's object; of what is none an empty one, which lacks all that is asked of it."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


class SnapshotStore:
    """A store as it was; it can only be read, and of blobs it has no more than their sizes."""

    def __init__(self, objects: dict[str, tuple[int, bytes | None]], made: datetime, name: str) -> None:
        self._objects, self.made, self._name = objects, made, name
        # A plan lists thousands of folders, each with a handful of objects among a hundred thousand.
        self._keys = sorted(objects)

    def __str__(self) -> str:
        return self._name

    def read(self, key: str) -> bytes | None:
        """Return all bytes of a small object, or None when there is none."""
        known = self._objects.get(key)
        if known is not None and known[1] is None:
            raise RegistryError(f"a snapshot of the registry holds no bytes of {key}")
        return None if known is None else known[1]

    def stream(self, key: str) -> Iterator[bytes] | None:
        """Return the bytes of an object in pieces, or None when there is none."""
        data = self.read(key)
        return None if data is None else iter([data])

    def size(self, key: str) -> int | None:
        """Return the size of an object in bytes, or None when there is none."""
        known = self._objects.get(key)
        return None if known is None else known[0]

    def create(self, key: str, data: bytes) -> bool:  # noqa: ARG002 - as `Store`
        """Refuse: nothing is written to what was published."""
        self._refuse(key)

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> None:  # noqa: ARG002
        """Refuse: nothing is written to what was published."""
        self._refuse(key)

    def delete(self, key: str) -> bool:
        """Refuse: nothing is deleted from what was published."""
        self._refuse(key)

    def set_aside(self, key: str, to: str) -> None:  # noqa: ARG002
        """Refuse: nothing is moved in what was published."""
        self._refuse(key)

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys below a folder, in order."""
        folder = prefix.rstrip("/")
        first, after = (bisect_left(self._keys, f"{folder}{end}") for end in ("/", AFTER_SLASH))
        return iter(self._keys[first:after])

    def entries(self, prefix: str) -> Iterator[Listed]:
        """Yield the objects below a folder with their sizes; all are as old as the snapshot."""
        return (Listed(key, self._objects[key][0], self.made.timestamp()) for key in self.list(prefix))

    def local_path(self, key: str) -> Path | None:  # noqa: ARG002
        """Return None: no object is a file here."""
        return None

    def _refuse(self, key: str) -> NoReturn:
        raise RegistryError(f"{key} is not written: {self} is a snapshot of a registry, to plan with")
