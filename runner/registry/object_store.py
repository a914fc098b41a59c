"""A store at a URL: S3, Google Cloud Storage, Azure, or memory, through obstore.

Credentials and endpoints come from the environment (AWS_*, GOOGLE_*, AZURE_*), which obstore reads itself. Objects
become visible whole when an upload ends; `create` is the store's own create-if-absent.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import MemoryStore, from_url

from runner.digest import CHUNK
from runner.errors import RegistryError
from runner.registry.listing import Listed

# Part of an upload; two of them in flight keep a 500 MB adapter within some 20 MB of memory.
PART = 8 << 20
# A store that does not answer is told to the person after this long, not after obstore's three minutes.
PATIENCE = timedelta(seconds=45)


class ObjectStore:
    """Objects below a URL such as `s3://bucket/prefix`."""

    def __init__(self, url: str) -> None:
        self.url = url
        with self._explained("open", url):
            if url.startswith("memory:"):
                self._store = MemoryStore()
            else:
                self._store = from_url(url, retry_config={"retry_timeout": PATIENCE})

    def __str__(self) -> str:
        return self.url

    def read(self, key: str) -> bytes | None:
        """Return all bytes of a small object, or None when there is none."""
        with self._explained("read", key):
            try:
                return bytes(obstore.get(self._store, key).bytes())
            except FileNotFoundError:
                return None

    def stream(self, key: str) -> Iterator[bytes] | None:
        """Return the bytes of an object in pieces, or None when there is none."""
        with self._explained("read", key):
            try:
                found = obstore.get(self._store, key)
            except FileNotFoundError:
                return None
        return self._chunks(found, key)

    def size(self, key: str) -> int | None:
        """Return the size of an object in bytes, or None when there is none."""
        with self._explained("look at", key):
            try:
                return int(obstore.head(self._store, key)["size"])
            except FileNotFoundError:
                return None

    def local_path(self, key: str) -> Path | None:  # noqa: ARG002 - the protocol's signature
        """Return None: nothing here is a local file."""
        return None

    def create(self, key: str, data: bytes) -> bool:
        """Create a small object; return False, and change nothing, when the key is taken."""
        with self._explained("write", key):
            try:
                obstore.put(self._store, key, data, mode="create")
            except (AlreadyExistsError, PreconditionError):  # stores answer a lost race with 409 or with 412
                return False
        return True

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> None:
        """Write an object from pieces, replacing what was there; nothing is replaced when the iterable raises."""
        # Leaving the block by an exception aborts the upload. (`obstore.put` would run the iterable inside its own
        # event loop, and panic when the chunks come out of an object store too.)
        with (
            self._explained("write", key),
            obstore.open_writer(self._store, key, buffer_size=PART, max_concurrency=2) as writer,
        ):
            for chunk in chunks:
                writer.write(chunk)

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys below a folder, in no particular order."""
        with self._explained("list", prefix):
            for page in obstore.list(self._store, prefix or None):
                for entry in page:
                    yield entry["path"]

    def entries(self, prefix: str) -> Iterator[Listed]:
        """Yield the objects below a folder with their sizes and ages, in no particular order."""
        with self._explained("list", prefix):
            for page in obstore.list(self._store, prefix or None):
                for entry in page:
                    yield Listed(entry["path"], entry["size"], entry["last_modified"].timestamp())

    def delete(self, key: str) -> bool:
        """Remove an object for good; return False when there is none. Only garbage collection does."""
        if self.size(key) is None:  # S3 answers a delete of nothing as it does any other
            return False
        with self._explained("delete", key):
            obstore.delete(self._store, key)
        return True

    def _chunks(self, found: obstore.GetResult, key: str) -> Iterator[bytes]:
        with self._explained("read", key):
            for chunk in found.stream(min_chunk_size=CHUNK):
                yield bytes(chunk)

    @contextlib.contextmanager
    def _explained(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            told = str(error).split("\n", 1)[0]  # the rest is a dump of obstore's own structures
            raise RegistryError(
                f"cannot {verb} {key} in the store {self.url}: {told}",
                hint="Look at the store's URL in registry/config.yaml, at the network, and at credentials and endpoint "
                "in the environment.",
            ) from error
