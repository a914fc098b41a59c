"""A store -> everything in it that is not as it should be, each fault with what to do about it.

Artifacts are read whole, several at a time, and compared with the digests that name them. Facts are read and compared
with their places and with each other. Nothing is changed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from runner.digest import digest_json
from runner.errors import RegistryError
from runner.progress import Progress, Report
from runner.registry.entries import decode, numbered
from runner.registry.facts import Artifact, Deployment, Failure, Record, Version
from runner.registry.listing import Listed
from runner.registry.spread import spread
from runner.registry.store import Store

RESTORE = "Restore it from a copy of the store."
RERUN = f"{RESTORE} If it belongs to no released version, delete it and apply again: its step runs once more."

_BLOB = re.compile(r"blobs/sha256/([0-9a-f]{2})/([0-9a-f]{62})")
_RECORD = re.compile(r"records/([a-z_]+)/([0-9a-f]{64})/\d+\.json")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong."""

    where: str
    """Object of the store, or version."""
    what: str
    """What is wrong with it."""
    remedy: str
    """What to do."""


def check_artifacts(store: Store, blobs: Sequence[Listed], report: Report) -> list[Fault]:
    """Read artifacts whole and compare them with their digests."""
    total, done = sum(blob.size for blob in blobs), 0
    faults: list[Fault] = []
    checked = spread(lambda blob: _check_blob(store, blob.key), blobs)
    for number, (blob, fault) in enumerate(zip(blobs, checked, strict=True), 1):
        done += blob.size
        report(Progress("verifying", number, len(blobs), "artifacts", f"{done >> 20} of {total >> 20} MB"))
        faults += [fault] if fault else []
    return faults


def _check_blob(store: Store, key: str) -> Fault | None:
    match = _BLOB.fullmatch(key)
    if match is None:
        return Fault(key, "is no artifact: its name is no sha256", "Move it out of the store.")
    try:
        chunks = store.stream(key)
        if chunks is None:
            return Fault(key, "went away while it was being verified", "Verify again when no gc is at work.")
        sha = hashlib.sha256()
        for chunk in chunks:
            sha.update(chunk)
    except RegistryError as error:
        return Fault(key, f"cannot be read: {error.message}", error.hint or RESTORE)
    return None if sha.hexdigest() == match[1] + match[2] else Fault(key, "has other bytes than its name says", RERUN)


def check_records(store: Store, exists: Callable[[Artifact], bool]) -> Iterator[Fault]:
    """Yield what is wrong with records and failures: unreadable, misplaced, or without their artifacts."""
    for entries in numbered(store, "records").values():
        newest_first = [entries[number] for number in sorted(entries, reverse=True)]
        for key in newest_first:
            fault = _check_record(store, key, exists)
            if fault is None:
                break  # the highest valid one counts; what it healed stays where it is
            yield fault
    for key in store.list("failures"):
        if decode(Failure, store.read(key)) is None:
            yield Fault(key, "is no failure of a step", "Delete it: the step is tried again.")


def _check_record(store: Store, key: str, exists: Callable[[Artifact], bool]) -> Fault | None:
    match, record = _RECORD.fullmatch(key), decode(Record, store.read(key))
    if match is None or record is None:
        return Fault(key, "is no record of a step", RERUN)
    if (record.step, record.key) != (match[1], match[2]):
        return Fault(key, f"is the record of {record.step}/{record.key[:8]}", RERUN)
    if digest_json(record.inputs) != record.key:
        return Fault(key, "its key is not the digest of its inputs: somebody edited it", RERUN)
    missing = [name for name, artifact in record.outputs.items() if not exists(artifact)]
    if missing:
        return Fault(key, f"its artifacts are missing or cut short: {', '.join(sorted(missing))}", RERUN)
    return None


def check_log(store: Store, name: str, alias: str, released: Collection[str]) -> Iterator[Fault]:
    """Yield what is wrong with a deployment log: gaps, foreign entries, versions that were never released."""
    folder = f"deployments/{name}/{alias}"
    entries = numbered(store, folder).get(folder, {})
    before: Deployment | None = None
    for number in range(1, max(entries, default=0) + 1):
        key = entries.get(number, f"{folder}/{number:08d}.json")
        entry = decode(Deployment, store.read(key))
        if entry is None:
            what = "is missing: the log has a gap" if number not in entries else "is no entry of a deployment log"
            yield Fault(key, what, RESTORE)
        elif (entry.name, entry.alias, entry.number) != (name, alias, number):
            yield Fault(key, f"is entry {entry.number} of {entry.name}/{entry.alias}", RESTORE)
        elif entry.version is not None and entry.version not in released:
            yield Fault(key, f"deploys {entry.version}, which is not among the released versions", RESTORE)
        elif before is not None and entry.previous != before.version:
            what = f"says that {entry.previous} was live before, but entry {before.number} deployed {before.version}"
            yield Fault(key, what, RESTORE)
        before = entry


def read_version(store: Store, key: str) -> Version | Fault:
    """Read a version, or say what is wrong with its file."""
    version = decode(Version, store.read(key))
    if version is None or key != f"versions/{version.name}/{version.version}.json":
        return Fault(key, "cannot be read as that version", f"{RESTORE} A released version is never made anew.")
    return version
