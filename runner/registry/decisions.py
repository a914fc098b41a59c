"""What people decided about a spec's releases: `decisions/<name>/<number>.json`, append-only.

Approvals, holds and their lifting, oldest first. What they mean is for the planner to say (`plan.rulings`).
"""

from __future__ import annotations

from runner.errors import ConflictError, RegistryError
from runner.registry.entries import decode, encode, numbered
from runner.registry.facts import Ruling
from runner.registry.store import Store, check_name

DECISIONS = "decisions"


class Decisions:
    """Reads and appends the decisions about all names."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def all(self, name: str) -> list[Ruling]:
        """Return every decision about a name, oldest first.

        Raises:
            RegistryError: when one is missing or cannot be read: passing over it could end a hold.
        """
        folder = f"{DECISIONS}/{check_name(name)}"
        entries = numbered(self._store, folder).get(folder, {})
        return [self._read(folder, number) for number in range(1, max(entries, default=0) + 1)]

    def add(self, ruling: Ruling) -> None:
        """Create a decision under its own number.

        Raises:
            ConflictError: when the number is taken: somebody else decided meanwhile.
        """
        key = _key(f"{DECISIONS}/{check_name(ruling.name)}", ruling.number)
        if not self._store.create(key, encode(ruling)):
            raise ConflictError(
                f"decision {ruling.number} about {ruling.name} is taken: somebody else decided meanwhile",
                hint=f"`gitune gate list {ruling.name}` shows it; then try again",
            )

    def _read(self, folder: str, number: int) -> Ruling:
        key = _key(folder, number)
        ruling = decode(Ruling, self._store.read(key))
        if ruling is None or (ruling.name, ruling.number) != (folder.rpartition("/")[2], number):
            raise RegistryError(
                f"{key} in the store {self._store} is missing or cannot be read as decision {number}",
                hint="Restore that file from a copy of the store: without it a hold could end unnoticed.",
            )
        return ruling


def _key(folder: str, number: int) -> str:
    return f"{folder}/{number:08d}.json"
