"""What must stay: from roots (steps that commits ask for, releases, leases) to every record and artifact they rest on.

A record stays together with what it was made from and with what was made from it: answers, scores and verdicts cost
little to keep and hours to make again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from runner.errors import RegistryError
from runner.registry.artifacts import blob_key
from runner.registry.entries import decode
from runner.registry.facts import Artifact, Record, Step, Version
from runner.registry.listing import Listed
from runner.registry.spread import spread
from runner.registry.store import Store
from runner.registry.trees import Manifest

_READ = ("train", "prompts", "adapter", "test", "scores")
"""Inputs of steps that name artifacts, beside `answers`."""
_COSTLY = ("train", "adapter")
"""Those that are followed back to whoever yielded them, where nothing that stays yields the same. Answers are not:
different weights may give equal ones."""
_DEPTH = 3
"""Slashes in `records/<step>/<key>/<n>.json`."""

StepKey = tuple[str, str]
"""Step and key."""


@dataclass(frozen=True, slots=True)
class Roots:
    """What is known to be wanted, outside the store."""

    keys: set[tuple[Step, str]]
    """Steps that specs of recent commits ask for."""
    commits: set[str]
    """Recent commits: what ran at them stays."""
    names: set[str]
    """Specs that this repository has ever held; records of others are not ours to judge."""
    youngest: float
    """Seconds since 1970; what was written after this stays."""


@dataclass(slots=True)
class Log:
    """All records of one step and key."""

    files: list[Listed] = field(default_factory=list)
    """Their objects."""
    records: list[Record] = field(default_factory=list)
    """Those that can be read, oldest first."""

    @property
    def newest(self) -> Record | None:
        """The last of them."""
        return self.records[-1] if self.records else None


@dataclass(slots=True)
class Marks:
    """What was found in a store, and what of it stays."""

    logs: dict[StepKey, Log]
    """Every step that is done."""
    kept: set[StepKey]
    """Those that stay."""
    artifacts: set[str]
    """Places of the artifacts that stay."""
    foreign: set[str]
    """Names of specs that this repository does not know."""


def mark(store: Store, roots: Roots) -> Marks:
    """Read every record and version of a store and decide what must stay.

    Raises:
        RegistryError: when a version cannot be read, or the list of its files: what it needs cannot be told then.
    """
    versions = _versions(store)
    logs = _logs(store)
    busy = _busy(store, roots.youngest)
    released = {key for version in versions for key in (*version.keys.values(), version.content.train_key) if key}
    names = roots.names | {version.name for version in versions}
    foreign = {log.newest.spec for log in logs.values() if log.newest and log.newest.spec not in names}
    kept = {
        name
        for name, log in logs.items()
        if name in roots.keys
        or name[1] in released
        or name[1] in busy
        or any(file.modified >= roots.youngest for file in log.files)
        or any(record.commit in roots.commits or record.spec in foreign for record in log.records)
    }
    _close(kept, logs, {version.content.adapter.digest for version in versions})
    artifacts = {key for version in versions for key in _places(version.content.adapter, store, required=True)}
    for name in kept:
        for record in logs[name].records:
            artifacts.update(key for output in record.outputs.values() for key in _places(output, store))
    return Marks(logs, kept, artifacts, foreign)


def _versions(store: Store) -> list[Version]:
    found = []
    for key in store.list("versions"):
        version = decode(Version, store.read(key))
        if version is None:
            raise RegistryError(
                f"{key} in the store {store} cannot be read, so what it needs cannot be told",
                hint="Restore that file from a copy of the store first.",
            )
        found.append(version)
    return found


def _logs(store: Store) -> dict[StepKey, Log]:
    found = (file for file in store.entries("records") if file.key.count("/") == _DEPTH)
    files = sorted(found, key=lambda file: (len(file.key), file.key))  # 2.json before 10.json
    logs: dict[StepKey, Log] = {}
    for file, data in zip(files, spread(lambda file: store.read(file.key), files), strict=True):
        parts = file.key.split("/")
        log = logs.setdefault((parts[1], parts[2]), Log())
        log.files.append(file)
        if (record := decode(Record, data)) is not None:
            log.records.append(record)
    return logs


def _busy(store: Store, youngest: float) -> set[str]:
    """Return the keys that somebody works on: leases that were renewed lately, and remote jobs without an end."""
    leased = {file.key.split("/")[2] for file in store.entries("leases") if file.modified >= youngest}
    jobs: dict[str, set[str]] = {}
    for key in store.list("inflight"):
        jobs.setdefault(key.rpartition("/")[0], set()).add(key.rpartition("/")[2])
    return leased | {job.split("/")[1] for job, files in jobs.items() if "end.json" not in files}


def _close(kept: set[StepKey], logs: Mapping[StepKey, Log], released: set[str]) -> None:
    """Add the datasets and weights that kept records were made from, then what is made of kept ones alone."""
    more: set[StepKey] = kept
    while more:
        wanted = {digest for name in kept for record in logs[name].records for digest in _read(record, _COSTLY)}
        wanted -= {digest for name in kept for digest in _feeds(logs[name])}
        more = {name for name in logs.keys() - kept if not wanted.isdisjoint(_feeds(logs[name]))}
        kept |= more
    yielded = {output for name in kept for output in _outputs(logs[name])} | released
    while more := {name for name in logs.keys() - kept if _made_from(logs[name], yielded)}:
        kept |= more
        yielded |= {output for name in more for output in _outputs(logs[name])}


def _feeds(log: Log) -> Iterator[str]:
    """Yield the digests of the rows or weights that a preparation or a training yielded."""
    return (a.digest for record in log.records for name, a in record.outputs.items() if name in _COSTLY)


def _made_from(log: Log, yielded: set[str]) -> bool:
    """Whether everything that a cheap step read is there."""
    record = log.newest
    if record is None or record.step in ("prepare", "train"):
        return False
    return all(digest in yielded for digest in _read(record))


def _outputs(log: Log) -> Iterator[str]:
    return (artifact.digest for record in log.records for artifact in record.outputs.values())


def _read(record: Record, names: Sequence[str] = _READ) -> Iterator[str]:
    """Yield the digests of the artifacts that a step read."""
    answers = record.inputs.get("answers") if names is _READ else None
    values = [record.inputs.get(name) for name in names]
    values += answers.values() if isinstance(answers, dict) else []
    return (value for value in values if isinstance(value, str))


def _places(artifact: Artifact, store: Store, *, required: bool = False) -> Iterator[str]:
    """Yield where the bytes of an artifact are.

    Raises:
        RegistryError: when a required folder's list of files cannot be read.
    """
    yield blob_key(artifact.digest)
    if artifact.kind == "blob":
        return
    manifest = decode(Manifest, store.read(blob_key(artifact.digest)))
    if manifest is None and required:
        raise RegistryError(
            f"the list of files of a released version's weights, {blob_key(artifact.digest)}, is lost or damaged",
            hint="Restore it from a copy of the store first: gc would take its files for garbage.",
        )
    yield from (blob_key(file.digest) for file in manifest.files.values()) if manifest else ()
