"""The log of what is live: `deployments/<name>/<alias>/<number>.json`, append-only.

Creating the next number is compare-and-swap, history and rollback in one: it needs nothing but create-if-absent, and a
pointer that moves back to an old version is a new entry, so a slow writer never mistakes it for the past. An entry
without a version takes away what was live.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from runner.errors import ConflictError, RegistryError
from runner.registry.entries import decode, encode, numbered
from runner.registry.facts import Deployment
from runner.registry.store import Store, check_name
from runner.spec.semver import parse

DEPLOYMENTS = "deployments"

Move = Literal["deploy", "rollback", "redeploy", "undeploy"]
"""A first time; back to a lower version that was live before; any other version again; nothing any more."""


class Deployments:
    """Reads and appends the logs of all names and aliases."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def log(self, name: str, alias: str) -> list[Deployment]:
        """Return the whole log of an alias, oldest first."""
        entries = self._entries(name, alias)
        return [self._read(entries[number], number) for number in sorted(entries)]

    def live(self, name: str, alias: str) -> Deployment | None:
        """Return the last entry of a log."""
        entries = self._entries(name, alias)
        return self._read(entries[max(entries)], max(entries)) if entries else None

    def all_live(self) -> list[Deployment]:
        """Return the last entry of every log, by name and alias."""
        logs = numbered(self._store, DEPLOYMENTS)
        return [self._read(logs[log][max(logs[log])], max(logs[log])) for log in sorted(logs)]

    def names(self) -> list[tuple[str, str]]:
        """Return name and alias of every log, in order; reads no entry."""
        logs = [log.split("/")[1:] for log in numbered(self._store, DEPLOYMENTS)]
        return sorted((log[0], log[1]) for log in logs if len(log) == 2)  # noqa: PLR2004 - name and alias

    def append(self, entry: Deployment) -> None:
        """Create the entry under its own number.

        Raises:
            ConflictError: when the number is taken, or the one before it is not: the log is not what the caller saw.
        """
        folder = _folder(entry.name, entry.alias)
        follows = entry.number == 1 or self._store.size(_key(folder, entry.number - 1)) is not None
        if not (follows and self._store.create(_key(folder, entry.number), encode(entry))):
            raise ConflictError(
                f"entry {entry.number} of {entry.name}/{entry.alias} "
                + ("is taken: somebody else deployed first" if follows else "does not follow the last one"),
                hint="Plan and apply again.",
            )

    def _entries(self, name: str, alias: str) -> dict[int, str]:
        folder = _folder(name, alias)
        return numbered(self._store, folder).get(folder, {})

    def _read(self, key: str, number: int) -> Deployment:
        """Read an entry; one that cannot be read must not be skipped, or an older version would seem live."""
        entry = decode(Deployment, self._store.read(key))
        if entry is None or entry.number != number:
            raise RegistryError(
                f"{key} in the store {self._store} cannot be read as entry {number} of a deployment log",
                hint="Restore that file from a copy of the store.",
            )
        return entry


def moves(log: Sequence[Deployment]) -> list[Move]:
    """Say of each entry of a whole log, oldest first, what it did."""
    found: list[Move] = []
    seen: set[str] = set()
    latest: str | None = None
    for entry in log:
        if entry.version is None:
            found.append("undeploy")
            continue
        if entry.version not in seen:
            found.append("deploy")
        else:
            found.append("rollback" if latest and parse(entry.version) < parse(latest) else "redeploy")
        seen.add(entry.version)
        latest = entry.version
    return found


def _folder(name: str, alias: str) -> str:
    return f"{DEPLOYMENTS}/{check_name(name)}/{check_name(alias)}"


def _key(folder: str, number: int) -> str:
    return f"{folder}/{number:08d}.json"
