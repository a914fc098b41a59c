"""What a store holds, for people: names and numbers from one listing, or every version with all that is known of it.

`names(store)` reads nothing but the last entry of each deployment log, so it costs the same for ten versions of a name
and for a thousand. It is why nothing here imports the facts at the top: building those models costs more than listing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from runner.errors import RegistryError

if TYPE_CHECKING:
    from runner.registry.facts import Version
    from runner.registry.store import Store
    from runner.registry.views import RegistryReader

_VERSION = re.compile(r"versions/([^/]+)/(\d+)\.(\d+)\.(\d+)\.json")
_ENTRY = re.compile(r"deployments/([^/]+)/([^/]+)/(\d+)\.json")

Live = dict[str, dict[str, str]]
"""By name: alias -> the version it points to."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name with its released versions."""

    name: str
    """Name of the spec."""
    versions: list[str]
    """Numbers, oldest first by semantic version."""
    live: dict[str, str]
    """Alias -> version."""


@dataclass(frozen=True, slots=True)
class Held:
    """A released version, looked at closely."""

    version: Version
    """What was released."""
    size: int
    """Bytes of its weights."""
    live: tuple[str, ...]
    """Aliases that point to it."""
    lost: bool
    """Whether bytes of its weights are missing: it cannot be deployed until they are restored."""


def names(store: Store, pattern: str = "*") -> list[Name]:
    """Return every name that matches a shell pattern, with its numbers and what is live."""
    numbers, live = released(store), live_pointers(store)
    known = sorted(name for name in numbers.keys() | live.keys() if fnmatchcase(name, pattern))
    return [Name(name, numbers.get(name, []), live.get(name, {})) for name in known]


def released(store: Store) -> dict[str, list[str]]:
    """Return the numbers of every name's released versions, oldest first by semantic version."""
    found: dict[str, list[tuple[int, int, int]]] = {}
    for key in store.list("versions"):
        if match := _VERSION.fullmatch(key):
            found.setdefault(match[1], []).append((int(match[2]), int(match[3]), int(match[4])))
    return {name: [f"{a}.{b}.{c}" for a, b, c in sorted(numbers)] for name, numbers in found.items()}


def live_pointers(store: Store) -> Live:
    """Return what every alias of every name points to.

    Raises:
        RegistryError: when the last entry of a log cannot be read.
    """
    last: dict[tuple[str, str], tuple[int, str]] = {}
    for key in store.list("deployments"):
        if match := _ENTRY.fullmatch(key):
            log = (match[1], match[2])
            last[log] = max(last.get(log, (0, "")), (int(match[3]), key))
    live: Live = {}
    for (name, alias), (_, key) in sorted(last.items()):
        try:
            version = json.loads(store.read(key) or b"")["version"]
        except (ValueError, KeyError, TypeError) as error:
            hint = "Restore that file from a copy of the store; `gitune registry verify` finds all such files."
            raise RegistryError(f"{key} in the store {store} is no entry of a deployment log", hint=hint) from error
        if version is not None:  # else the deployment was taken away
            live.setdefault(name, {})[alias] = str(version)
    return live


def held(chosen: Sequence[Name], registry: RegistryReader, numbers: str = "*") -> Iterator[Held]:
    """Yield every version of some names whose number matches a shell pattern, newest first, reading each."""
    for name in chosen:
        for number in reversed(name.versions):
            version = registry.version(name.name, number) if fnmatchcase(number, numbers) else None
            if version is not None:
                aliases = tuple(alias for alias, live in name.live.items() if live == number)
                weights = version.content.adapter
                yield Held(version, weights.size, aliases, not registry.exists(weights))
