"""What a store tells about an object without reading it."""

from __future__ import annotations

from typing import NamedTuple


class Listed(NamedTuple):
    """One object of a listing."""

    key: str
    """Where it is."""
    size: int
    """Bytes."""
    modified: float
    """When it was written, by the store's own clock, in seconds since 1970."""
