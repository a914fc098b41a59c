"""Canonical JSON, files and trees -> sha256.

A digest is 64 lowercase hex characters. Two values have the same canonical JSON exactly when a key should treat them
as equal: key order does not matter, and a float is written the shortest way that reads back the same (`0.10` and `0.1`
are one number).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

CHUNK = 1 << 20

# `json.dumps` would build an encoder at every call, and datasets are encoded row by row.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: object) -> bytes:
    """Encode as UTF-8 JSON with sorted keys and no spaces.

    Raises:
        ValueError: for NaN and infinities, which JSON cannot carry.
        TypeError: for values that are not JSON.
    """
    return _CANONICAL.encode(value).encode()


def digest_bytes(data: bytes) -> str:
    """Return the sha256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def digest_json(value: object) -> str:
    """Return the sha256 of the canonical JSON of `value`."""
    return digest_bytes(canonical_json(value))


def digest_file(path: Path) -> str:
    """Return the sha256 of a file's content, read in pieces."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha.update(chunk)
    return sha.hexdigest()
