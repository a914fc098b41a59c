"""What a person wrote -> what it names: a version, a record or an artifact.

find("bot@1.2.0", ...)   find("train/3fa9", ...)   find("9c01ab", ...)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from runner.errors import UsageError
from runner.registry.entries import decode
from runner.registry.facts import STEPS, Record, Version
from runner.registry.inventory import Name, names
from runner.registry.registry import Registry
from runner.registry.store import Store
from runner.registry.trees import Manifest

_HEX = re.compile(r"[0-9a-f]{4,64}")
_LARGEST_MANIFEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Blob:
    """Stored bytes, and who names them."""

    digest: str
    """sha256."""
    size: int
    """Bytes."""
    named_by: list[str]
    """Records and versions, such as `train/<key> adapter`."""
    files: dict[str, int]
    """With the manifest of a tree: path -> bytes."""


Found = Name | Version | Record | Blob


def find(text: str, store: Store, registry: Registry) -> Found:
    """Return what `NAME`, `NAME@VERSION`, `STEP/KEY-PREFIX` or a digest's first digits name.

    Raises:
        UsageError: when nothing is so called, or several things are; says what there is.
    """
    step, slash, prefix = text.partition("/")
    if slash:
        return _record(step, prefix, store, registry)
    name, at, number = text.partition("@")
    known = {found.name: found for found in names(store)}
    if name in known:
        return _version(known[name], number, registry) if at else known[name]
    if not at and _HEX.fullmatch(text):
        return _blob(text, store)
    raise unknown_name(name, known)


def find_version(text: str, store: Store, registry: Registry) -> Version:
    """Return the version that `NAME@VERSION` names, or with `NAME` alone its live one, else its newest.

    Raises:
        UsageError: when there is none.
    """
    name, at, number = text.partition("@")
    known = {found.name: found for found in names(store)}
    if name not in known:
        raise unknown_name(name, known)
    chosen = known[name]
    live = sorted(set(chosen.live.values()))
    default = live[0] if len(live) == 1 else (chosen.versions or ["none"])[-1]
    return _version(chosen, number if at else default, registry)


def unknown_name(name: str, known: Sequence[str] | dict[str, Name]) -> UsageError:
    """Return the error for a name that nothing was released under."""
    close = get_close_matches(name, known, n=1)
    there = f"there are: {', '.join(sorted(known)[:10])}" if known else "nothing has been released yet"
    return UsageError(
        f"nothing in the registry is called `{name}`", hint=f"did you mean `{close[0]}`?" if close else there
    )


def _version(name: Name, number: str, registry: Registry) -> Version:
    found = registry.version(name.name, number) if number in name.versions else None
    if found is None:
        released = ", ".join(name.versions[-10:]) or "none"
        raise UsageError(f"{name.name} {number} is not released", hint=f"released: {released}")
    return found


def _record(step: str, prefix: str, store: Store, registry: Registry) -> Record:
    if step not in STEPS:
        close = get_close_matches(step, STEPS, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"steps are {', '.join(STEPS)}"
        raise UsageError(f"there is no step `{step}`", hint=hint)
    keys = sorted({key.split("/")[2] for key in store.list(f"records/{step}") if key.split("/")[2].startswith(prefix)})
    key = _only(keys, f"record of {step}", prefix)
    newest = max(store.list(f"records/{step}/{key}"), key=_number)
    found = registry.record(step, key) or decode(Record, store.read(newest))
    if found is None:
        raise UsageError(f"{newest} cannot be read", hint="`gitune registry verify` says what is damaged")
    return found


def _number(key: str) -> int:
    return int(re.sub(r"\D", "", key.rpartition("/")[2]) or 0)


def _only(found: Sequence[str], what: str, prefix: str) -> str:
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"there is no {what} that begins with `{prefix}`", hint="`gitune registry ls` lists versions")
    raise UsageError(
        f"{len(found)} of them begin with `{prefix}`", hint=f"give more digits: {', '.join(k[:16] for k in found[:5])}"
    )


def _blob(prefix: str, store: Store) -> Blob:
    folder = f"blobs/sha256/{prefix[:2]}"
    found = {key[len("blobs/sha256/") :].replace("/", ""): key for key in store.list(folder)}
    digest = _only(sorted(d for d in found if d.startswith(prefix)), "artifact", prefix)
    size = store.size(found[digest]) or 0
    # Only manifests are worth reading to say what a blob is, and they are small.
    manifest = decode(Manifest, store.read(found[digest])) if size < _LARGEST_MANIFEST else None
    files = {path: file.size for path, file in manifest.files.items()} if manifest else {}
    return Blob(digest, size, sorted(_who_names(digest, store)), files)


def _who_names(digest: str, store: Store) -> Iterator[str]:
    for key in store.list("records"):
        record = decode(Record, store.read(key))
        for name, artifact in (record.outputs if record else {}).items():
            if artifact.digest == digest:
                yield f"{key.rpartition('/')[0].removeprefix('records/')} {name}"
    for key in store.list("versions"):
        version = decode(Version, store.read(key))
        if version and version.content.adapter.digest == digest:
            yield f"{version.name}@{version.version} adapter"
