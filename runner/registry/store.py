"""A URL or folder -> a store: named bytes that are created whole, or replaced whole, and never seen half-written.

    store = open_store("registry/store", root)      # a folder of the repository
    store = open_store("s3://bucket/prefix", root)  # or any object store that obstore knows

Two kinds speak one protocol. A folder is handled by the operating system alone, because obstore's local store does not
fsync and costs 50 times a `stat`; everything else goes through obstore.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from runner.errors import RegistryError
from runner.registry.folder_store import FolderStore

# What `create` and compare-and-swap by number need is known to hold on these (a plain web server lacks it).
SCHEMES = ("s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl", "memory")

# A segment of a key never starts with a dot, so that neither `..` nor a hidden temporary file can be named.
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")


class Store(Protocol):
    """Bytes by key. A key is a relative path such as `records/train/<key>/1.json`.

    Every call raises `TransientError` when the store cannot be reached, and `RegistryError` for what waiting does not
    mend. What was not there is never said of a store that could not be asked.
    """

    def read(self, key: str) -> bytes | None:
        """Return all bytes of a small object, or None when there is none."""

    def stream(self, key: str) -> Iterator[bytes] | None:
        """Return the bytes of an object in pieces, or None when there is none."""

    def size(self, key: str) -> int | None:
        """Return the size of an object in bytes, or None when there is none."""

    def create(self, key: str, data: bytes) -> bool:
        """Create a small object; return False, and change nothing, when the key is taken.

        Two writers must not create equal bytes: after an answer that was lost, equal bytes are taken for one's own.
        """

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> None:
        """Write an object from pieces, replacing what was there; nothing is replaced when the iterable raises."""

    def delete(self, key: str) -> bool:
        """Remove an object; return False when there is none."""

    def set_aside(self, key: str, to: str) -> None:
        """Move an object to another key, replacing what was there; nothing happens when there is none."""

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys below a folder such as `records/train`, in no particular order."""

    def local_path(self, key: str) -> Path | None:
        """Return the object's own file when the store is a folder here, else None."""


def open_store(url: str, root: Path) -> Store:
    """Open a store: a folder (relative to `root`, absolute or `file://`) or the URL of an object store.

    Nothing is written, and no network is touched, before the first use.

    Raises:
        RegistryError: when the URL is of no known kind or carries credentials.
    """
    if "://" not in url:
        return FolderStore(root / url)
    parts = urlsplit(url)
    if parts.scheme == "file":
        return FolderStore(Path(unquote(parts.path)))
    if parts.scheme not in SCHEMES:
        raise RegistryError(
            f"{parts.scheme}:// is no kind of store",
            hint=f"Give a folder, file://, or one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}.",
        )
    if parts.password or parts.query:
        raise RegistryError(
            f"the URL of the store {parts.scheme}://{parts.hostname or ''} carries credentials or options",
            hint="Put them into the environment, such as AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL.",
        )
    from runner.registry.object_store import ObjectStore

    return ObjectStore(url)


def check_name(text: str) -> str:
    """Return `text` when it can be one segment of a key.

    Raises:
        RegistryError: for anything that could name another place: empty, `..`, slashes, a leading dot, odd characters.
    """
    if _SEGMENT.fullmatch(text) is None:
        raise RegistryError(
            f"{text!r} cannot be a name in the registry",
            hint="Use letters, digits, '.', '_', '+' and '-', beginning with a letter or digit, at most 128.",
        )
    return text
