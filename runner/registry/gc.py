"""Marks -> garbage -> room: what nothing leads to any more, said first, deleted only when asked.

Whoever is killed in the middle leaves a store that is whole: records go before the artifacts they name, so no record
ever names what gc took away, and artifacts are judged once more after the records are gone, so what a release or an
apply has claimed meanwhile stays. What is young stays whoever wants it: a running apply stores artifacts first and
their record last.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from runner.progress import Progress, Report
from runner.registry.facts import STEPS
from runner.registry.listing import Listed
from runner.registry.marks import Log, Marks, Roots, StepKey, mark
from runner.registry.spread import spread
from runner.registry.store import Store

EXPENSIVE = ("train", "predict_base", "predict_tuned", "predict_champion")


@dataclass(frozen=True, slots=True)
class Revert:
    """A state that can be gone back to for free as long as its records are there."""

    spec: str
    """Name of the spec."""
    version: str
    """Version it asked for; never released."""
    commit: str | None
    """Commit it ran at; None when it was not committed."""
    steps: tuple[str, ...]
    """What would run again."""
    seconds: float
    """What that took."""


@dataclass(frozen=True, slots=True)
class Garbage:
    """What can go."""

    records: list[Listed] = field(default_factory=list)
    """Records and failures of steps that nothing leads to."""
    leases: list[Listed] = field(default_factory=list)
    """Leases that ended, or that nobody has renewed for long."""
    artifacts: list[Listed] = field(default_factory=list)
    """Artifacts that no record and no version names then."""
    reverts: list[Revert] = field(default_factory=list)
    """What would stop being free."""
    kept_records: int = 0
    """Steps whose records stay."""
    kept_artifacts: int = 0
    """Artifacts that stay."""
    foreign: tuple[str, ...] = ()
    """Specs that this repository has never held; their records stay."""

    @property
    def size(self) -> int:
        """Bytes of all of it."""
        return sum(item.size for item in (*self.records, *self.leases, *self.artifacts))

    @property
    def count(self) -> int:
        """Objects of the store."""
        return len(self.records) + len(self.leases) + len(self.artifacts)


def find_garbage(store: Store, roots: Roots) -> Garbage:
    """Say what nothing leads to any more; change nothing.

    Raises:
        RegistryError: when what a released version needs cannot be told.
    """
    marks = mark(store, roots)
    gone = sorted(marks.logs.keys() - marks.kept)
    failures = [file for file in _old(store, "failures", roots) if tuple(file.key.split("/")[1:3]) not in roots.keys]
    blobs = list(store.entries("blobs"))
    garbage = [blob for blob in blobs if blob.key not in marks.artifacts and blob.modified < roots.youngest]
    # Damaged bytes that were set aside; those of a release may be all that is left of it.
    wanted = {key.removeprefix("blobs/sha256/").replace("/", "") for key in marks.artifacts}
    aside = (file for file in store.entries("corrupt") if file.key.rpartition("/")[2] not in wanted)
    garbage += [file for file in aside if file.modified < roots.youngest]
    return Garbage(
        records=[file for name in gone for file in marks.logs[name].files] + failures,
        leases=_old(store, "leases", roots),
        artifacts=garbage,
        reverts=_reverts(gone, marks),
        kept_records=len(marks.kept),
        kept_artifacts=sum(blob.key in marks.artifacts or blob.modified >= roots.youngest for blob in blobs),
        foreign=tuple(sorted(marks.foreign)),
    )


def sweep(store: Store, garbage: Garbage, roots: Roots, report: Report) -> tuple[int, int]:
    """Delete garbage; return how many objects and bytes are gone.

    Args:
        store: where.
        garbage: what `find_garbage` found.
        roots: what it was judged by; the store is asked anew for everything else.
        report: told about every object.

    Raises:
        RegistryError: when something cannot be deleted; whatever is still there is garbage for the next time.
    """
    # A record may have come, or a version been released, since the garbage was told: those keep what they name.
    now = find_garbage(store, roots)
    wanted = {item.key for item in (*now.records, *now.leases)}
    facts = [item for item in (*garbage.records, *garbage.leases) if item.key in wanted]
    gone = _delete(store, facts, "deleting records", report)
    still = {item.key for item in find_garbage(store, roots).artifacts}
    gone += _delete(store, [item for item in garbage.artifacts if item.key in still], "deleting artifacts", report)
    return len(gone), sum(item.size for item in gone)


def namespace(store: Store, number: int) -> list[Listed]:
    """Return all that the runs of a pull request left under its own namespace, records before artifacts."""
    files = store.entries(f"pr/{number}")
    return sorted(files, key=lambda file: (file.key.startswith(f"pr/{number}/blobs/"), file.key))


def sweep_namespace(store: Store, files: Sequence[Listed], report: Report) -> tuple[int, int]:
    """Delete what `namespace` returned; return how many objects and bytes are gone."""
    gone = _delete(store, files, "deleting", report)
    return len(gone), sum(item.size for item in gone)


def _delete(store: Store, items: Sequence[Listed], what: str, report: Report) -> list[Listed]:
    gone = []
    deleted = spread(lambda item: store.delete(item.key), items)
    for number, (item, is_gone) in enumerate(zip(items, deleted, strict=True), 1):
        gone += [item] if is_gone else []
        report(Progress(what, number, len(items), "objects"))
    return gone


def _old(store: Store, folder: str, roots: Roots) -> list[Listed]:
    """Return what lies in the logs of a folder that nobody has added to for long."""
    logs: dict[str, list[Listed]] = {}
    for file in store.entries(folder):
        logs.setdefault(file.key.rpartition("/")[0], []).append(file)
    old = [log for log in logs.values() if max(file.modified for file in log) < roots.youngest]
    return [file for log in old for file in log]


def _reverts(gone: Sequence[StepKey], marks: Marks) -> list[Revert]:
    """Say which states would have to be made again: those whose trainings, or else answers, would be gone."""
    states: dict[tuple[str, str, str | None], list[Log]] = {}
    for name in gone:
        log = marks.logs[name]
        if log.newest is not None:
            states.setdefault((log.newest.spec, log.newest.version, log.newest.commit), []).append(log)
    found = list(_expensive(states))
    return sorted(found, key=lambda revert: (revert.spec, -revert.seconds))


def _expensive(states: dict[tuple[str, str, str | None], list[Log]]) -> Iterator[Revert]:
    for (spec, version, commit), logs in states.items():
        records = [log.newest for log in logs if log.newest is not None]
        steps = {record.step for record in records}
        if steps & set(EXPENSIVE):
            seconds = sum((record.finished - record.started).total_seconds() for record in records)
            yield Revert(spec, version, commit, tuple(step for step in STEPS if step in steps), seconds)
