"""Released versions: `versions/<name>/<version>.json`, created once and never changed."""

from __future__ import annotations

import re

from runner.errors import ConflictError, RegistryError
from runner.registry.entries import decode, encode
from runner.registry.facts import Version
from runner.registry.store import Store, check_name
from runner.spec.semver import parse

VERSIONS = "versions"
_FILE = re.compile(r"(\d+\.\d+\.\d+)\.json")


class Versions:
    """Finds and creates released versions."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, name: str, version: str) -> Version | None:
        """Return a released version.

        Raises:
            RegistryError: when it is there but cannot be read: taking it for absent would release another in its place.
        """
        key = version_key(name, version)
        data = self._store.read(key)
        if data is None:
            return None
        found = decode(Version, data)
        if found is None or (found.name, found.version) != (name, version):
            raise RegistryError(
                f"{key} in the store {self._store} cannot be read as the version {name}@{version}",
                hint="Restore that file from a copy of the store; a released version is never made anew.",
            )
        return found

    def all(self, name: str) -> list[Version]:
        """Return all released versions of a name, oldest first by semantic version."""
        folder = f"{VERSIONS}/{check_name(name)}"
        files = [_FILE.fullmatch(key.rpartition("/")[2]) for key in self._store.list(folder)]
        numbers = sorted((file[1] for file in files if file), key=parse)
        return [found for number in numbers if (found := self.find(name, number)) is not None]

    def release(self, version: Version) -> None:
        """Create a version; one that exists with the same content is left as it is, for an apply that was cut off.

        Raises:
            ConflictError: when the version exists with other content.
        """
        if self._store.create(version_key(version.name, version.version), encode(version)):
            return
        existing = self.find(version.name, version.version)
        if existing is None or existing.content != version.content:
            raise ConflictError(
                f"{version.name}@{version.version} is already released with other content",
                hint="Plan again: it says what differs, and which number to give it.",
            )


def version_key(name: str, version: str) -> str:
    """Return where a version's file is."""
    return f"{VERSIONS}/{check_name(name)}/{check_name(version)}.json"
