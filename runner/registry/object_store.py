"""A store at a URL: S3, Google Cloud Storage, Azure, or memory, through obstore.

Credentials and endpoints come from the environment (AWS_*, GOOGLE_*, AZURE_*), which obstore reads itself. Objects
become visible whole when an upload ends; `create` is the store's own create-if-absent. What the network breaks is tried
again for a bounded time; docs/reliability.md has the table.
"""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)
from obstore.store import MemoryStore, from_url

from runner.errors import RegistryError, TransientError

# Part of an upload; S3 wants at least 5 MB, and allows 10,000 of them (80 GB).
PART = 8 << 20
# Part of a download, which may be smaller: several copies of it are in memory on its way from the library to a file.
RANGE = 4 << 20
# Parts of one object that are under way at once. They bound the memory of a transfer, whatever the object's size.
PARTS_AT_ONCE = 2
# A store that fails is told to the person after this long, not after obstore's three minutes.
PATIENCE = timedelta(seconds=45)

Result = TypeVar("Result")

# What trying again does not mend: 4xx, but for "timeout", "too early" and "too many requests".
_REFUSED = re.compile(r"status(?: code)?:? 4(?!08|25|29)\d\d")


class ObjectStore:
    """Objects below a URL such as `s3://bucket/prefix`."""

    def __init__(self, url: str) -> None:
        self.url = url
        with self._explained("open", url):
            if url.startswith("memory:"):
                self._store = self._once = MemoryStore()
                return
            # No client_options: they would take the place of what the environment says, such as AWS_TIMEOUT.
            # Time alone ends its retries: ten of them may be over within four seconds.
            backoff = {"max_backoff": timedelta(seconds=5)}
            self._store = from_url(
                url, retry_config={"retry_timeout": PATIENCE, "max_retries": 1000, "backoff": backoff}
            )
            self._once = from_url(url, retry_config={"max_retries": 0})

    def __str__(self) -> str:
        return self.url

    def read(self, key: str) -> bytes | None:
        """Return all bytes of a small object, or None when there is none."""
        with self._explained("read", key):
            try:
                # obstore tries again what fails before the bytes come, but not a connection that breaks off later.
                return _patiently(lambda: bytes(obstore.get(self._store, key).bytes()))
            except FileNotFoundError as error:
                # What a mistyped URL finds must not pass for an empty registry.
                if "NoSuchBucket" in str(error):
                    raise
                return None

    def stream(self, key: str) -> Iterator[bytes] | None:
        """Return the bytes of an object in pieces, or None when there is none."""
        size = self.size(key)
        return None if size is None else self._parts(key, size)

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
        """Create a small object; return False, and change nothing, when the key is taken.

        An answer that is lost on its way leaves open whether the object was created. The next attempt then finds the
        key taken, and whose bytes are there decides: facts of two writers differ (times, owners), so ours are ours.
        """
        doubtful, patience = False, _Patience()
        with self._explained("write", key):
            while True:
                try:
                    obstore.put(self._once, key, data, mode="create")
                except (AlreadyExistsError, PreconditionError) as error:  # S3 answers a lost race with 409 or with 412
                    if (found := self.read(key)) is not None:
                        return doubtful and found == data
                    # 409 while nothing is there: somebody else's write of this key is under way, and may yet fail.
                    patience.bear(error)
                except BaseError as error:
                    patience.bear(error)
                    doubtful = True
                else:
                    return True

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> None:
        """Write an object from pieces, replacing what was there; nothing is replaced when the iterable raises."""
        with self._explained("write", key):
            before, written = self._tag(key), 0
            try:
                # Leaving the block by an exception aborts the upload. (`obstore.put` would run the iterable inside its
                # own event loop, and panic when the chunks come out of an object store too.)
                with obstore.open_writer(self._store, key, buffer_size=PART, max_concurrency=PARTS_AT_ONCE) as writer:
                    for chunk in chunks:
                        writer.write(chunk)
                        written += len(chunk)
            except FileNotFoundError:
                # "No such upload" is what a second try to complete one gets when the first one's answer was lost.
                now = self._tag(key)
                if now == before or self.size(key) != written:
                    raise

    def delete(self, key: str) -> bool:
        """Remove an object; return False when there is none."""
        with self._explained("delete", key):
            if self.size(key) is None:
                return False
            with contextlib.suppress(FileNotFoundError):  # another process was faster
                _patiently(lambda: obstore.delete(self._store, key))
        return True

    def set_aside(self, key: str, to: str) -> None:
        """Move an object to another key, replacing what was there."""
        with self._explained("move", key), contextlib.suppress(FileNotFoundError):  # another process was faster
            _patiently(lambda: obstore.rename(self._store, key, to))

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys below a folder, in no particular order."""
        with self._explained("list", prefix):
            for page in obstore.list(self._store, prefix or None):
                for entry in page:
                    yield entry["path"]

    def _parts(self, key: str, size: int) -> Iterator[bytes]:
        """Fetch the next part while the caller is busy with this one; each is a request that can be tried again."""
        from concurrent.futures import Future, ThreadPoolExecutor

        with ThreadPoolExecutor(PARTS_AT_ONCE) as pool:
            coming: deque[Future[bytes]] = deque()
            for start in range(0, size, RANGE):
                coming.append(pool.submit(self._range, key, start, min(start + RANGE, size)))
                if len(coming) == PARTS_AT_ONCE:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()

    def _range(self, key: str, start: int, end: int) -> bytes:
        with self._explained("read", key):
            return _patiently(lambda: bytes(obstore.get_range(self._store, key, start=start, end=end)))

    def _tag(self, key: str) -> str | None:
        try:
            return str(obstore.head(self._store, key)["e_tag"])
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def _explained(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            told = str(error).split("\n", 1)[0]  # the rest is a dump of obstore's own structures
            what = f"cannot {verb} {key} in the store {self.url}: {told}"
            look = "at the store's URL in registry/config.yaml, and at credentials and endpoint in the environment."
            if _may_pass(error):
                waited = (
                    f"Trying again for {PATIENCE.total_seconds():.0f} s did not help. Apply again later: it goes on "
                )
                raise TransientError(
                    what, hint=f"{waited}from the last finished step. If it stays so, look at the network, {look}"
                ) from error
            raise RegistryError(what, hint=f"Look {look}") from error


class _Patience:
    """Waits between attempts, longer each time and with jitter, until its time is up."""

    def __init__(self) -> None:
        self._ends = time.monotonic() + PATIENCE.total_seconds()
        self._pause = 0.1

    def bear(self, error: Exception) -> None:
        """Wait before the next attempt; raise `error` when there shall be none."""
        if not _may_pass(error) or time.monotonic() + self._pause > self._ends:
            raise error
        time.sleep(self._pause * random.uniform(0.5, 1.5))  # noqa: S311 - spreads retries, keeps no secret
        self._pause = min(self._pause * 2, 5.0)


def _patiently(attempt: Callable[[], Result]) -> Result:
    patience = _Patience()
    while True:
        try:
            return attempt()
        except BaseError as error:
            patience.bear(error)


def _may_pass(error: Exception) -> bool:
    """Whether trying again may help: the network or the server failed, and did not refuse."""
    if isinstance(error, AlreadyExistsError | PreconditionError):  # where it did not mean that the key is taken
        return True
    if isinstance(error, PermissionDeniedError | UnauthenticatedError | FileNotFoundError | ValueError):
        return False
    # A writer's errors come as an OSError with obstore's text.
    failed = isinstance(error, BaseError) or str(error).startswith("Generic ")
    return failed and _REFUSED.search(str(error)) is None
