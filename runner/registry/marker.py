"""`gitune.json` at the top of a store: what it is, in which layout, since when. The first write puts it there.

A store without it, and without records, is empty. That is right once; later it means a mistyped `store`, and everything
would run again, so plan and apply say it.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from runner.errors import RegistryError
from runner.registry.entries import decode, encode
from runner.registry.facts import Fact
from runner.registry.store import Store

KEY = "gitune.json"
FORMAT = 1
"""Raised when a release lays a store out so that earlier ones would misread it."""


class Marker(Fact):
    """What a store says of itself."""

    format: int
    """Version of its layout."""
    id: str
    """Names this store, wherever it is copied to."""
    created: datetime
    """When it was first written to, UTC."""


def check_marker(store: Store) -> bool:
    """Return whether a store has been written to.

    Raises:
        RegistryError: when a newer release laid it out in a way that this one would misread.
    """
    if (data := store.read(KEY)) is None:
        # Stores of gitune 0.1 have records and no marker yet.
        return next(iter(store.list("records")), None) is not None
    marker = decode(Marker, data)
    if marker is None:
        raise RegistryError(
            f"{KEY} in the store {store} cannot be read: this may be no registry of Gitune",
            hint="Look at `store` in registry/config.yaml, or restore that file from a copy of the store.",
        )
    if marker.format > FORMAT:
        raise RegistryError(
            f"the store {store} has layout {marker.format}, and this release knows up to {FORMAT}",
            hint="Install a newer Gitune: pip install --upgrade gitune",
        )
    return True


def put_marker(store: Store) -> None:
    """Mark a store, unless that has been done."""
    if store.size(KEY) is None:
        store.create(KEY, encode(Marker(format=FORMAT, id=secrets.token_hex(16), created=datetime.now(UTC))))
