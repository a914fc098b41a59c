"""A store's facts in one file: what plans of strangers' pull requests read, without credentials or a network.

    write_snapshot(store, file)          # after every deployment, by who may read the store
    store = read_snapshot(file)          # by anybody

It holds every small object of main's (records, failures, versions, deployments, decisions, leases), the sizes of all
blobs, and of blobs' bytes only the lists of files that trees are made of. What a plan says from it is what it would say
from the store at that time, but that nobody verified bytes.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from runner.errors import RegistryError
from runner.registry.artifacts import blob_key
from runner.registry.listing import Listed
from runner.registry.store import Store
from runner.registry.trees import parse_manifest

KIND, FORMAT = "gitune/registry-snapshot", "1.0"

LARGEST = 1 << 30
"""Bytes that a snapshot may unpack to: it is read where strangers' trees are planned."""

FACTS = ("gitune.json", "records", "failures", "versions", "deployments", "decisions", "leases")
BLOBS = "blobs"

_MANIFEST = 1 << 20
"""Bytes; a tree whose list of files is longer is only known by its size."""


def write_snapshot(store: Store, file: Path, now: datetime | None = None) -> int:
    """Write a store's facts to a file; return how many objects it holds.

    Raises:
        RegistryError: when the store cannot be read.
        TransientError: when it cannot be reached.
    """
    count = 0
    with file.open("wb") as raw, gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=0) as packed:
        for line in _lines(store, now or datetime.now(UTC)):
            packed.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            count += 1
    return count - 1


def _lines(store: Store, now: datetime) -> Iterator[dict[str, Any]]:
    yield {"kind": KIND, "format_version": FORMAT, "made": now.isoformat(timespec="seconds")}
    trees: set[str] = set()
    for folder in FACTS:
        keys = [folder] if "." in folder else sorted(store.list(folder))
        for key in keys:
            if (data := store.read(key)) is not None:
                trees |= {blob_key(digest) for digest in _trees(data)}
                yield {"key": key, "data": data.decode()}
    for listed in sorted(store.entries(BLOBS)):
        manifest = _manifest(store, listed) if listed.key in trees else {}
        yield {"key": listed.key, "size": listed.size, **manifest}


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


def _manifest(store: Store, listed: Listed) -> dict[str, str]:
    """Return the bytes of a tree's list of files: without them nobody knows whether the tree is there."""
    if listed.size > _MANIFEST or (data := store.read(listed.key)) is None:
        return {}
    try:
        parse_manifest(data)
    except RegistryError:
        return {}  # rows, perhaps: nothing but names, sizes and digests is published
    return {"data": data.decode()}


def read_snapshot(file: Path) -> SnapshotStore:
    """Read what `write_snapshot` wrote.

    Raises:
        RegistryError: when it is no snapshot, is damaged, or was made by a newer release.
    """
    lines = _unpacked(file)
    head = _parsed(next(lines, b""), file)
    if head.get("kind") != KIND or head.get("format_version") != FORMAT:
        raise RegistryError(
            f"{file} is no registry snapshot of this release", hint="`gitune registry snapshot` writes one"
        )
    objects: dict[str, tuple[int, bytes | None]] = {}
    for line in lines:
        entry = _parsed(line, file)
        data = entry["data"].encode() if "data" in entry else None
        objects[entry["key"]] = (entry["size"] if "size" in entry else len(data or b""), data)
    return SnapshotStore(objects, datetime.fromisoformat(head["made"]), str(file))


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


def _parsed(line: bytes, file: Path) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict) or not (("key" in entry) or ("kind" in entry)):
        raise RegistryError(f"{file} is no registry snapshot, or is damaged", hint="fetch the snapshot again")
    return entry


class SnapshotStore:
    """A store as it was; it can only be read, and of blobs it has no more than their sizes."""

    def __init__(self, objects: dict[str, tuple[int, bytes | None]], made: datetime, name: str) -> None:
        self._objects, self.made, self._name = objects, made, name

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
        """Yield the keys below a folder, in no particular order."""
        return (key for key in self._objects if key.startswith(f"{prefix.rstrip('/')}/"))

    def entries(self, prefix: str) -> Iterator[Listed]:
        """Yield the objects below a folder with their sizes; all are as old as the snapshot."""
        return (Listed(key, self._objects[key][0], self.made.timestamp()) for key in self.list(prefix))

    def local_path(self, key: str) -> Path | None:  # noqa: ARG002
        """Return None: no object is a file here."""
        return None

    def _refuse(self, key: str) -> NoReturn:
        raise RegistryError(f"{key} is not written: {self} is a snapshot of a registry, to plan with")
