"""The registry as one object: what planners read, and what steps append.

`open_registry("registry/store", root, cache)` opens the one that a repository's configuration names.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from runner.progress import Report
from runner.registry.artifacts import Artifacts
from runner.registry.chain import Chain
from runner.registry.copies import LocalCopies
from runner.registry.decisions import Decisions
from runner.registry.deployments import Deployments
from runner.registry.facts import Artifact, Deployment, Failure, Lease, Record, Ruling, Step, Summary, Version
from runner.registry.leases import Leases
from runner.registry.marker import check_marker, put_marker
from runner.registry.namespaces import ADOPTABLE, Overlay, inside
from runner.registry.records import Records
from runner.registry.snapshot import SnapshotStore, read_snapshot
from runner.registry.store import Store, open_store
from runner.registry.summaries import Summaries
from runner.registry.versions import Versions
from runner.registry.views import RegistryWriter


def open_registry(config_store_url: str, root: Path, cache: Path, max_cache: int | None = None) -> Registry:
    """Open the registry that `registry/config.yaml` names.

    Args:
        config_store_url: A folder (relative to `root` or absolute), or the URL of an object store.
        root: The repository.
        cache: Folder for verified local copies of artifacts.
        max_cache: Bytes that they may take; None sets no limit.

    Raises:
        RegistryError: when the URL is of no known kind, or a newer release made the store.
        TransientError: when the store cannot be reached.
    """
    registry = Registry(open_store(config_store_url, root), cache, max_cache)
    registry.check_layout()
    return registry


def open_namespace(
    config_store_url: str,
    root: Path,
    cache: Path,
    namespace: str,
    shown: tuple[Step, ...] | None = None,
    max_cache: int | None = None,
) -> Registry:
    """Open the registry as the runs of a pull request see it: they read all of it, and write below `pr/<number>/`.

    Args:
        config_store_url: As for `open_registry`.
        root: The repository.
        cache: Folder for verified local copies of artifacts.
        namespace: Such as `pr/12`.
        shown: Steps whose records of the namespace are seen, and nothing is written; default: all of it.
        max_cache: As for `open_registry`.

    Raises:
        UsageError: when it is no namespace.
        RegistryError: when the URL is of no known kind.
    """
    main, own = (open_store(url, root) for url in (config_store_url, inside(config_store_url, namespace)))
    return Registry(Overlay(main, own, namespace, shown), cache, max_cache)


def open_adopting(
    config_store_url: str, root: Path, cache: Path, namespaces: Sequence[str], max_cache: int | None = None
) -> Registry:
    """Open the registry as it will be once main has taken over the trainings and answers of namespaces; read only.

    Args:
        config_store_url: As for `open_registry`.
        root: The repository.
        cache: Folder for verified local copies of artifacts.
        namespaces: Such as `pr/12`; of several that have a record the first counts.
        max_cache: As for `open_registry`.

    Raises:
        UsageError: when one is no namespace.
        RegistryError: when the URL is of no known kind.
    """
    return Registry(adopting(open_store(config_store_url, root), config_store_url, root, namespaces), cache, max_cache)


def adopting(main: Store, url: str, root: Path, namespaces: Sequence[str]) -> Store:
    """Return a store that shows what of namespaces can be adopted behind what main has."""
    for namespace in reversed(namespaces):
        main = Overlay(main, open_store(inside(url, namespace), root), namespace, ADOPTABLE)
    return main


def open_snapshot(file: Path, cache: Path) -> Registry:
    """Open a published snapshot of a registry; a file that is not there stands for a registry that is empty.

    Args:
        file: What `write_snapshot` wrote.
        cache: Machine-wide cache.

    Raises:
        RegistryError: when it is no snapshot.
    """
    return Registry(read_snapshot(file) if file.exists() else SnapshotStore({}, datetime.now(UTC), str(file)), cache)


def open_scratch(config_store_url: str, root: Path, cache: Path, scratch: Path) -> Registry:
    """Open the registry for a try: all of it is read, and what is written goes to a folder that is thrown away.

    Args:
        config_store_url: As for `open_registry`.
        root: The repository.
        cache: Folder for verified local copies of artifacts.
        scratch: The folder.

    Raises:
        RegistryError: when the URL is of no known kind.
    """
    return Registry(Overlay(open_store(config_store_url, root), open_store(str(scratch), root), "pr/1"), cache)


class Registry(RegistryWriter):
    """Artifacts, records, leases, versions and deployments of one store."""

    def __init__(self, store: Store, cache: Path, max_cache: int | None = None) -> None:
        self._store = store
        self._marked = False
        self._artifacts = Artifacts(store, LocalCopies(cache, max_cache))
        self._records = Records(store, self._artifacts.exists)
        self._summaries = Summaries(store, cache)
        self._leases = Leases(store, cache)
        self._versions = Versions(store)
        self._deployments = Deployments(store)
        self._decisions = Decisions(store)
        self._chain = Chain(store)

    def __str__(self) -> str:
        return str(self._store)

    @property
    def holds_bytes(self) -> bool:
        """Whether artifacts can be read: not from a published snapshot."""
        return not isinstance(self._store, SnapshotStore)

    def check_layout(self) -> bool:
        """Return whether anything was ever written here. Raises RegistryError when a newer release made the store."""
        return check_marker(self._store)

    def at_work(self, report: Report) -> Registry:
        """Return this registry as a running step uses it: transfers are told, and damaged blobs are set aside."""
        working = copy.copy(self)
        working._artifacts = self._artifacts.at_work(report)  # noqa: SLF001 - a copy of our own
        return working

    def record(self, step: Step, key: str) -> Record | None:
        """Return the newest valid record of a key: one whose artifacts all exist with the right size."""
        return next(self.records_of(step, key), None)

    def records_of(self, step: Step, key: str) -> Iterator[Record]:
        """Yield the valid records of a key, newest first."""
        return self._records.valid(step, key)

    def records(self, step: Step) -> Iterator[Record]:
        """Yield the newest record of every key of a step; its artifacts may be gone."""
        return self._records.newest(step)

    def latest(self, step: Step, key: str) -> Record | None:
        """Return the newest readable record of a key, though its artifacts may be gone."""
        return self._records.latest(step, key)

    def summaries(self, step: Step) -> list[Summary]:
        """Return what tells the newest records of every key of a step apart, the newest record first."""
        return self._summaries.all(step)

    def summaries_of_namespaces(self, step: Step) -> list[Summary]:
        """Return the same of what the runs of pull requests wrote apart from main."""
        return self._summaries.of_namespaces(step)

    def failure(self, step: Step, key: str) -> Failure | None:
        """Return the newest terminal failure of a key."""
        return self._records.failure(step, key)

    def lease(self, step: str, key: str) -> Lease | None:
        """Return the lease of a key that looks held; its holder may have been killed on another machine."""
        return self._leases.held(step, key)

    def leases(self) -> list[Lease]:
        """Return all leases that look held, by step and key."""
        return self._leases.all_held()

    def version(self, name: str, version: str) -> Version | None:
        """Return a released version."""
        return self._versions.find(name, version)

    def versions(self, name: str) -> list[Version]:
        """Return all released versions of a name, oldest first by semantic version."""
        return self._versions.all(name)

    def deployments(self, name: str, alias: str) -> list[Deployment]:
        """Return the whole log of an alias, oldest first."""
        return self._deployments.log(name, alias)

    def live(self, name: str, alias: str) -> Deployment | None:
        """Return the last entry of the log; nothing is live when it has no version."""
        return self._deployments.live(name, alias)

    def deployed(self) -> list[Deployment]:
        """Return the last entry of every log, by name and alias."""
        return self._deployments.all_live()

    def broken_link(self, entry: Deployment) -> str | None:
        """Return what does not verify of a log entry, its version's file and records; reads no artifact."""
        return self._chain.fault(entry)

    def broken_links(self, name: str, alias: str) -> dict[int, str]:
        """Return what does not verify in a whole log, by number of the entry."""
        return self._chain.faults(name, alias)

    def swapped(self, version: Version, alias: str) -> str | None:
        """Return why a released version is not what was deployed under its number before, or was released with."""
        return self._chain.swapped(version, alias) or self._chain.version_fault(version)

    def rulings(self, name: str) -> list[Ruling]:
        """Return every decision about a name, oldest first."""
        return self._decisions.all(name)

    def logs(self) -> list[tuple[str, str]]:
        """Return name and alias of every deployment log, in order."""
        return self._deployments.names()

    def exists(self, artifact: Artifact) -> bool:
        """Return whether all bytes of an artifact are there with the right size."""
        return self._artifacts.exists(artifact)

    def fetch(self, artifact: Artifact) -> Path:
        """Return a local read-only path (file or folder) with the artifact's verified bytes."""
        return self._artifacts.fetch(artifact)

    def read(self, artifact: Artifact) -> bytes:
        """Return a small blob's verified bytes."""
        return self._artifacts.read(artifact)

    def put_bytes(self, data: bytes) -> Artifact:
        """Store a small blob."""
        self._mark()
        return self._artifacts.put_bytes(data)

    def put_file(self, path: Path) -> Artifact:
        """Store a file, streamed."""
        self._mark()
        return self._artifacts.put_file(path)

    def put_tree(self, folder: Path) -> Artifact:
        """Store a folder: every file, then the manifest that names them."""
        self._mark()
        return self._artifacts.put_tree(folder)

    def last_lease(self, step: str, key: str) -> Lease | None:
        """Return the newest lease of a key, held, abandoned or ended."""
        return self._leases.last(step, key)

    def add_lease(self, lease: Lease) -> bool:
        """Write a lease under its number; False when somebody else took that number or a later one."""
        self._mark()
        return self._leases.add(lease)

    def claim_lease(self, lease: Lease) -> bool:
        """Write a holder's first lease; True for one at most of all who claim its number at the same time."""
        self._mark()
        return self._leases.claim(lease)

    def add_record(self, record: Record) -> None:
        """Append a record under the next number of its key; the commit point of a step."""
        self._mark()
        self._records.add(record)

    def add_record_once(self, record: Record) -> Record:
        """Append a record unless its key has a valid one by now; return the one that counts."""
        self._mark()
        return self._records.add_once(record)

    def add_failure(self, failure: Failure) -> None:
        """Remember a terminal failure."""
        self._mark()
        self._records.add_failure(failure)

    def release(self, version: Version) -> None:
        """Create a version. Raises ConflictError when it exists with other content."""
        self._versions.release(version)
        self._mark()

    def append_deployment(self, entry: Deployment) -> Deployment:
        """Create the next entry of a log; return it with its proof. Raises ConflictError when the number is taken."""
        sealed = self._chain.seal(entry)
        self._deployments.append(sealed)
        self._mark()
        return sealed

    def add_ruling(self, ruling: Ruling) -> None:
        """Create the next decision about a name. Raises ConflictError when the number is taken."""
        self._decisions.add(ruling)
        self._mark()

    def _mark(self) -> None:
        if not self._marked:
            put_marker(self._store)
            self._marked = True
