"""The two views of a registry: a reader for planners, reports and servers, a writer for steps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from runner.progress import Report
from runner.registry.facts import (
    Artifact,
    Deployment,
    Failure,
    Lease,
    Record,
    Ruling,
    Step,
    Summary,
    Version,
)


class RegistryReader(Protocol):
    """What planners, reports and servers may do: look."""

    @property
    def holds_bytes(self) -> bool:
        """Whether artifacts can be read: not from a published snapshot."""

    def record(self, step: Step, key: str) -> Record | None:
        """Return the newest valid record of a key: one whose artifacts all exist with the right size."""

    def records_of(self, step: Step, key: str) -> Iterator[Record]:
        """Yield the valid records of a key, newest first."""

    def records(self, step: Step) -> Iterator[Record]:
        """Yield the newest record of every key of a step, in no particular order."""

    def latest(self, step: Step, key: str) -> Record | None:
        """Return the newest readable record of a key, though its artifacts may be gone."""

    def summaries(self, step: Step) -> list[Summary]:
        """Return what tells the newest records of every key of a step apart, the newest record first."""

    def summaries_of_namespaces(self, step: Step) -> list[Summary]:
        """Return the same of what the runs of pull requests wrote apart from main."""

    def failure(self, step: Step, key: str) -> Failure | None:
        """Return the newest terminal failure of a key."""

    def lease(self, step: str, key: str) -> Lease | None:
        """Return the lease of a key that looks held; its holder may have been killed on another machine."""

    def leases(self) -> list[Lease]:
        """Return all leases that look held, by step and key."""

    def version(self, name: str, version: str) -> Version | None:
        """Return a released version."""

    def versions(self, name: str) -> list[Version]:
        """Return all released versions of a name, oldest first by semantic version."""

    def deployments(self, name: str, alias: str) -> list[Deployment]:
        """Return the whole log of an alias, oldest first."""

    def live(self, name: str, alias: str) -> Deployment | None:
        """Return the last entry of the log; nothing is live when it has no version."""

    def deployed(self) -> list[Deployment]:
        """Return the last entry of every log, by name and alias."""

    def logs(self) -> list[tuple[str, str]]:
        """Return name and alias of every deployment log, in order."""

    def broken_link(self, entry: Deployment) -> str | None:
        """Return what does not verify of a log entry, its version's file and records; reads no artifact."""

    def broken_links(self, name: str, alias: str) -> dict[int, str]:
        """Return what does not verify in a whole log, by number of the entry."""

    def swapped(self, version: Version, alias: str) -> str | None:
        """Return why a released version is not what was deployed under its number before, or was released with."""

    def rulings(self, name: str) -> list[Ruling]:
        """Return every decision about a name, oldest first."""

    def exists(self, artifact: Artifact) -> bool:
        """Return whether all bytes of an artifact are there with the right size."""

    def fetch(self, artifact: Artifact) -> Path:
        """Return a local read-only path (file or folder) with the artifact's verified bytes.

        Raises:
            RegistryError: when bytes are missing or do not match their digest.
        """

    def read(self, artifact: Artifact) -> bytes:
        """Return a small blob's verified bytes."""


class RegistryWriter(RegistryReader, Protocol):
    """What `reconcile`, `steps` and gc may do: look, and append."""

    def at_work(self, report: Report) -> RegistryWriter:
        """Return this registry as a running step uses it: transfers are told, and damaged blobs are set aside."""

    def put_bytes(self, data: bytes) -> Artifact:
        """Store a small blob."""

    def put_file(self, path: Path) -> Artifact:
        """Store a file, streamed."""

    def put_tree(self, folder: Path) -> Artifact:
        """Store a folder: every file, then the manifest that names them."""

    def last_lease(self, step: str, key: str) -> Lease | None:
        """Return the newest lease of a key, held, abandoned or ended."""

    def add_lease(self, lease: Lease) -> bool:
        """Write a lease under its number; False when somebody else took that number or a later one."""

    def claim_lease(self, lease: Lease) -> bool:
        """Write a holder's first lease; True for one at most of all who claim its number at the same time."""

    def add_record(self, record: Record) -> None:
        """Append a record under the next number of its key; the commit point of a step."""

    def add_record_once(self, record: Record) -> Record:
        """Append a record unless its key has a valid one by now; return the one that counts."""

    def add_failure(self, failure: Failure) -> None:
        """Remember a terminal failure."""

    def release(self, version: Version) -> None:
        """Create a version. Raises ConflictError when it exists with other content."""

    def append_deployment(self, entry: Deployment) -> Deployment:
        """Create the next entry of a log; return it with its proof. Raises ConflictError when the number is taken."""

    def add_ruling(self, ruling: Ruling) -> None:
        """Create the next decision about a name. Raises ConflictError when the number is taken."""
