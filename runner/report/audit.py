"""Everything that `gitune registry verify` checks: artifacts, records, deployment logs, and the chain of every version.

Chains are proven by `report.proof`. Its artifacts were read whole a moment before, so they are not read once more for
each version that shares them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import RegistryError
from runner.progress import Progress, Report
from runner.registry.artifacts import blob_key
from runner.registry.chain import sealed_records
from runner.registry.facts import Artifact, Version
from runner.registry.inventory import released
from runner.registry.registry import Registry
from runner.registry.store import Store
from runner.registry.trees import parse_manifest
from runner.registry.verify import RESTORE, Fault, check_artifacts, check_log, check_records, read_version
from runner.report.proof import prove_release


@dataclass(slots=True)
class Audit:
    """What was checked, and what is wrong."""

    artifacts: int = 0
    """Artifacts that were read whole."""
    size: int = 0
    """Their bytes."""
    versions: int = 0
    """Versions whose chains were followed."""
    logs: int = 0
    """Deployment logs that were read."""
    faults: list[Fault] = field(default_factory=list)
    """Everything that is wrong."""


class _Read(Registry):
    """The registry with artifacts that were read whole already; only looks whether one of them was bad."""

    def __init__(self, store: Store, cache: Path, bad: set[str]) -> None:
        super().__init__(store, cache)
        self._bad = bad

    def fetch(self, artifact: Artifact) -> Path:
        """Return a path that nobody opens.

        Raises:
            RegistryError: when bytes of the artifact are missing or damaged.
        """
        wrong = [key for key in _keys(artifact, self) if key in self._bad]
        if wrong or not self.exists(artifact):
            raise RegistryError(f"{wrong[0] if wrong else artifact.digest} is missing or damaged", hint=RESTORE)
        return Path()


def audit(
    store: Store, cache: Path, root: Path, report: Report, name: str | None = None, number: str | None = None
) -> Audit:
    """Verify a store, or what belongs to one name or version of it.

    Args:
        store: what to verify.
        cache: where verified copies are kept.
        root: the repository, for the commits that versions name.
        report: told about artifacts as they are read.
        name: only this name's versions and logs; None for everything there is.
        number: only this version of the name.
    """
    found = Audit()
    registry = Registry(store, cache)
    versions = list(_versions(store, f"versions/{name}" if name else "versions", number, found))
    blobs = list(store.entries("blobs"))
    if name:
        wanted = {key for version in versions for key in _of_chain(version, registry)}
        blobs = [blob for blob in blobs if blob.key in wanted]
    found.artifacts, found.size = len(blobs), sum(blob.size for blob in blobs)
    faults = check_artifacts(store, blobs, report)
    found.faults += faults
    if name is None:
        report(Progress("checking records"))
        found.faults += check_records(store, registry.exists)
    report(Progress("following the chains of versions"))
    read = _Read(store, cache, {fault.where for fault in faults})
    for version in versions:
        found.faults += _chain(version, read, root)
    if number is None:
        found.faults += _logs(store, registry, name, found)
    found.versions = len(versions)
    return found


def _versions(store: Store, folder: str, number: str | None, found: Audit) -> Iterator[Version]:
    for key in sorted(store.list(folder)):
        if number is None or key.endswith(f"/{number}.json"):
            version = read_version(store, key)
            if isinstance(version, Fault):
                found.faults.append(version)
            else:
                yield version


def _chain(version: Version, registry: Registry, root: Path) -> Iterator[Fault]:
    where = f"{version.name}@{version.version}"
    try:
        registry.fetch(version.content.adapter)
    except RegistryError:
        yield Fault(where, "is LOST: bytes of its weights are missing or damaged", RESTORE)
    for link in prove_release(version, registry, root):
        if link.broken:
            yield Fault(where, f"{link.what}: {link.broken}", RESTORE)


def _of_chain(version: Version, registry: Registry) -> Iterator[str]:
    """Yield the places of all artifacts that a version's proof rests on."""
    yield from _keys(version.content.adapter, registry)
    for record in sealed_records(version, registry).values():
        for artifact in record.outputs.values():
            yield from _keys(artifact, registry)


def _keys(artifact: Artifact, registry: Registry) -> list[str]:
    manifest = [blob_key(artifact.digest)]
    if artifact.kind == "blob":
        return manifest
    try:
        return manifest + [blob_key(file.digest) for file in parse_manifest(registry.read(artifact)).files.values()]
    except RegistryError:
        return manifest


def _logs(store: Store, registry: Registry, name: str | None, found: Audit) -> Iterator[Fault]:
    numbers = released(store)
    logs = sorted({tuple(key.split("/")[1:3]) for key in store.list("deployments") if key.count("/") == 3})  # noqa: PLR2004
    for log_name, alias in logs:
        if name in (None, log_name):
            found.logs += 1
            faults = list(check_log(store, log_name, alias, numbers.get(log_name, [])))
            yield from faults
            # A log with a hole has no chain to follow.
            for at, fault in registry.broken_links(log_name, alias).items() if not faults else ():
                yield Fault(f"deployments/{log_name}/{alias}/{at:08d}.json", fault, RESTORE)
