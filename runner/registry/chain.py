"""The hash chain: each log entry seals itself, the entry before and its version's file; a version seals its records.

    log entry 42 ── sha256 ──► log entry 41 ──► … ──► log entry 1
        └─ sha256 ──► versions/<name>/<version>.json ── digest ──► records ── sha256 ──► artifacts

So a gap in the log, an edited entry, a swapped version file and a swapped record are all found, from small files alone.
Facts that an older release wrote carry no proof; after the first entry that does, one without is a fault.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain

from runner.digest import digest_bytes, digest_json
from runner.registry.deployments import DEPLOYMENTS
from runner.registry.entries import decode, encode, numbered
from runner.registry.facts import Deployment, Proof, Record, Step, Version
from runner.registry.records import RECORDS
from runner.registry.store import Store, check_name
from runner.registry.versions import version_key
from runner.registry.views import RegistryReader

PREDICTIONS: tuple[Step, ...] = ("predict_base", "predict_tuned", "predict_champion")

DECISIVE = frozenset(
    {"train", "validation", "test", "prompts", "neighbours", "slices", "adapter", "answers", "scores", "verdicts"}
)
"""Outputs that the next link is made of. Others, such as timings, differ when a lost artifact is made again."""


def record_digest(record: Record) -> str:
    """Return what stands for a record in a proof: its key, which covers its inputs, and its decisive outputs."""
    # `answers.version:1.2.0` are those of a rival.
    named = {name: artifact.digest for name, artifact in record.outputs.items()}
    outputs = {name: digest for name, digest in named.items() if name.partition(".")[0] in DECISIVE}
    return digest_json({"key": record.key, "outputs": outputs})


def sealed_record(version: Version, step: Step, reader: RegistryReader) -> Record | None:
    """Return the valid record of a step that a version was released with; of an older gitune's release the newest.

    A key may have several: a lost artifact was made again, or a version was imported that was trained elsewhere. Where
    none of them is the one, the newest is returned, for whoever verifies to say so.
    """
    key, newest = version.keys.get(step), None
    sealed = (version.records or {}).get(step)
    for record in chain.from_iterable(reader.records_of(home, key) for home in homes(step)) if key else ():
        if sealed in (None, record_digest(record)):
            return record
        newest = newest or record
    return newest


def sealed_records(version: Version, reader: RegistryReader) -> dict[Step, Record]:
    """Return the records that a version's proof rests on, as far as they are there."""
    found = ((step, sealed_record(version, step, reader)) for step in version.keys)
    return {step: record for step, record in found if record is not None}


def homes(step: Step) -> tuple[Step, ...]:
    """Return the steps under which a step's record may be. Answers are shared: whoever asked first has the record."""
    return (step, *(other for other in PREDICTIONS if other != step)) if step in PREDICTIONS else (step,)


class Chain:
    """Seals entries of the deployment logs, and finds what does not fit."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def seal(self, entry: Deployment) -> Deployment:
        """Return the entry with its proof. What it follows must be there already."""
        before = self._log(entry.name, entry.alias).get(entry.number - 1)
        previous = self._digest(before) if before else None
        proof = Proof(previous=previous, version=self._digest(_file(entry)), seal="")
        open_ = entry.model_copy(update={"proof": proof})
        return entry.model_copy(update={"proof": proof.model_copy(update={"seal": _seal(encode(open_))})})

    def fault(self, entry: Deployment) -> str | None:
        """Return what does not verify of a log entry and of all that it vouches for, but for artifacts' bytes.

        Looks at a handful of small files, however long the log is; `faults` reads all of it.
        """
        log = self._log(entry.name, entry.alias)
        file = _file(entry)
        fault = _gap(log) or self._entry_fault(log, entry.number, proven_before=self._is_proven(log, entry.number - 1))
        if fault is not None or file is None:
            return fault
        version = decode(Version, self._store.read(file))
        return self.version_fault(version) if version is not None else f"{file} is missing or cannot be read"

    def faults(self, name: str, alias: str) -> dict[int, str]:
        """Return what does not verify in a whole log, by number of the entry."""
        log = self._log(name, alias)
        found: dict[int, str] = {}
        proven = False
        for number in range(1, max(log, default=0) + 1):
            if number not in log:
                found[number] = f"entry {number} is missing from the log"
            elif (fault := self._entry_fault(log, number, proven_before=proven)) is not None:
                found[number] = fault
            proven = proven or self._is_proven(log, number)
        return found

    def version_fault(self, version: Version) -> str | None:
        """Return which of the records that a version was released with is gone or another one."""
        for step, digest in (version.records or {}).items():
            key = version.keys.get(step) or ""
            found = (
                record_digest(one) == digest and digest_json(one.inputs) == key for one in self._records(step, key)
            )
            if not any(found):
                return f"the record of {step} that {version.version} was released with is missing, or another one now"
        return None

    def swapped(self, version: Version, alias: str) -> str | None:
        """Return which earlier entry vouches for another file under this version's number."""
        now = self._digest(version_key(version.name, version.version))
        for number, key in sorted(self._log(version.name, alias).items()):
            entry = decode(Deployment, self._store.read(key))
            if entry and entry.proof and entry.version == version.version and entry.proof.version != now:
                return f"{_file(entry)} is not the file that entry {number} deployed"
        return None

    def _log(self, name: str, alias: str) -> Mapping[int, str]:
        folder = f"{DEPLOYMENTS}/{check_name(name)}/{check_name(alias)}"
        return numbered(self._store, folder).get(folder, {})

    def _entry_fault(self, log: Mapping[int, str], number: int, *, proven_before: bool) -> str | None:
        data = self._store.read(log[number]) if number in log else None
        entry = decode(Deployment, data)
        if data is None or entry is None or entry.number != number:
            return f"entry {number} is missing or cannot be read"
        if entry.proof is None:
            return f"entry {number} carries no proof, though one before it does" if proven_before else None
        if entry.proof.seal != _seal(data):
            return f"entry {number} was edited after it was written"
        before = log.get(number - 1)
        if entry.proof.previous != (self._digest(before) if before else None):
            return f"entry {number - 1} is not the one that entry {number} was written after"
        if entry.proof.version != self._digest(_file(entry)):
            return f"{_file(entry)} is not the file that entry {number} deployed"
        return None

    def _is_proven(self, log: Mapping[int, str], number: int) -> bool:
        entry = decode(Deployment, self._store.read(log[number])) if number in log else None
        return entry is not None and entry.proof is not None

    def _records(self, step: Step, key: str) -> Iterator[Record]:
        for home in homes(step):
            log = f"{RECORDS}/{home}/{check_name(key)}"
            for file in numbered(self._store, log).get(log, {}).values():
                if (record := decode(Record, self._store.read(file))) is not None and record.key == key:
                    yield record

    def _digest(self, key: str | None) -> str | None:
        data = self._store.read(key) if key else None
        return None if data is None else digest_bytes(data)


def _file(entry: Deployment) -> str | None:
    return version_key(entry.name, entry.version) if entry.version else None


def _seal(data: bytes) -> str:
    """Digest all that an entry's file says but the seal itself, also what only a newer release understands."""
    value = json.loads(data)
    return digest_json({**value, "proof": {name: part for name, part in value["proof"].items() if name != "seal"}})


def _gap(log: Mapping[int, str]) -> str | None:
    missing = next((number for number in range(1, max(log, default=0)) if number not in log), None)
    return f"entry {missing} is missing from the log" if missing else None
