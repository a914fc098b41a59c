"""Who is at a step right now: `leases/<step>/<key>/<00000001>.json`, the numbered signs of life of a running step.

Whoever wrote the highest number holds the key, until an entry says that it is released. The holder creates the next
number every few seconds; who has watched one number for long enough creates the next in its own name, and the holder
that finds its number taken has lost. Creating a number is compare-and-swap, so of two takers one wins, and no clocks of
two machines are ever compared. A lease saves work; what keeps the truth is the record, which is written once.
"""

from __future__ import annotations

import contextlib
import platform
from datetime import UTC, datetime
from pathlib import Path

from runner.errors import RegistryError
from runner.registry.entries import decode, encode, numbered
from runner.registry.facts import Lease
from runner.registry.presence import is_gone
from runner.registry.store import Store, check_name

LEASES = "leases"


class Leases:
    """Reads and writes the leases of one store.

    Args:
        store: Where they are.
        cache: Folder in which processes of this machine show that they live.
    """

    def __init__(self, store: Store, cache: Path) -> None:
        self._store = store
        self._cache = cache
        self._atomic = store.local_path(LEASES) is not None

    def last(self, step: str, key: str) -> Lease | None:
        """Return the newest lease of a key, held, abandoned or ended."""
        return self._last_of(_folder(step, key))

    def held(self, step: str, key: str) -> Lease | None:
        """Return the lease of a key unless it has ended, or its holder was a process of this machine that is dead."""
        return self._if_held(self.last(step, key))

    def all_held(self) -> list[Lease]:
        """Return every lease that looks held, by step and key."""
        found = [self._if_held(self._last_of(folder)) for folder in sorted(numbered(self._store, LEASES))]
        return [lease for lease in found if lease is not None]

    def add(self, lease: Lease) -> bool:
        """Create a lease under its number, and remove the earlier ones.

        Returns:
            Whether it is the last one now. The last one is never removed, so who was too slow always finds a higher
            number, even where its own was free again.
        """
        folder = _folder(lease.step, lease.key)
        place, data = f"{folder}/{lease.number:08d}.json", encode(lease)
        # An upload whose answer was lost is tried again, and then finds itself.
        if not self._store.create(place, data) and self._store.read(place) != data:
            return False
        entries = numbered(self._store, folder).get(folder, {})
        overtaken = max(entries, default=0) > lease.number
        for number, entry in entries.items():
            if number < lease.number or (overtaken and number == lease.number):
                with contextlib.suppress(RegistryError):  # whose credentials may not delete leaves them to gc
                    self._store.delete(entry)
                    if not self._atomic:
                        self._store.delete(_door(entry))
        return not overtaken

    def claim(self, lease: Lease) -> bool:
        """Add the first lease of a holder; True for one at most of all who claim a number at the same time.

        Not every S3 server creates atomically: SeaweedFS looks first and writes then, and may tell several of them
        "created". So who has written its name finds the door open, closes it, and still finds its name: the splitter
        of Lamport (1987, ACM TOCS 5:1), which needs nothing but reads and writes. Where nobody gets through, the name
        that was left counts as held and expires.
        """
        if not self.add(lease):
            return False
        if self._atomic:
            return True
        place = f"{_folder(lease.step, lease.key)}/{lease.number:08d}.json"
        if self._store.read(_door(place)) is not None:
            return False
        self._store.put_stream(_door(place), [lease.owner.encode()])
        return self._store.read(place) == encode(lease)

    def _if_held(self, lease: Lease | None) -> Lease | None:
        if lease is None or lease.released:
            return None
        dead = lease.host == platform.node() and is_gone(self._cache, lease.owner)
        return None if dead else lease

    def _last_of(self, folder: str) -> Lease | None:
        while entries := numbered(self._store, folder).get(folder):
            number = max(entries)
            data = self._store.read(entries[number])
            if data is not None:
                return decode(Lease, data) or _unreadable(folder, number)
            # Its holder has written the next number in between, and removed this one.
        return None


def _folder(step: str, key: str) -> str:
    # Answers are shared by key, whichever prediction asks for them.
    return f"{LEASES}/{step.partition('_')[0]}/{check_name(key)}"


def _door(entry: str) -> str:
    return f"{entry.removesuffix('.json')}.door"


def _unreadable(folder: str, number: int) -> Lease:
    """Stand for an entry of damaged bytes: somebody held it, and it expires like any other."""
    _, step, key = folder.split("/")
    unknown = datetime.fromtimestamp(0, UTC)
    return Lease(step=step, key=key, number=number, owner="-", host="?", pid=0, spec="?", started=unknown)
