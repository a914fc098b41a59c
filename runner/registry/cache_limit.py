"""How large the download cache may grow: what was not used for longest goes first, and never what a process uses.

A process that uses a copy holds a shared lock on its name until it ends, however it ends; who makes room takes only
what it can lock alone. The locks are single bytes of the file `cache/in-use`, so that nothing has to be opened for each
copy, and a copy that is made again under its name stays in use. When a copy was last used is its access time, set by
us: what a file system does with it by itself depends on how it was mounted.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# A process killed in the middle leaves what it was writing; nobody writes one copy for longer than this.
STALE_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class _Copy:
    path: Path
    used: float
    files: list[os.stat_result]
    """One for every name: two names of one file are two."""


class CacheLimit:
    """Keeps `cache/blobs` and `cache/trees` below a size.

    Args:
        cache: The folder of both.
        max_size: Bytes; None sets no limit.
    """

    def __init__(self, cache: Path, max_size: int | None) -> None:
        self._cache = cache
        self._max_size = max_size

    def hold(self, digest: str) -> None:
        """Keep the copy of a digest, there or still to be made, for as long as this process lives."""
        with _IN_USE.guard:
            _IN_USE.take(self._cache, digest)

    def make_room(self) -> None:
        """Remove what was not used for longest until the limit is kept, or all that is left is in use."""
        if self._max_size is None:
            return
        copies = list(self._copies())
        names = Counter(file.st_ino for copy in copies for file in copy.files)
        # A file that has another name outside is in a store on this disk: removing ours would free nothing.
        sizes = {
            file.st_ino: file.st_size for copy in copies for file in copy.files if file.st_nlink == names[file.st_ino]
        }
        total = sum(sizes.values())
        for copy in sorted(copies, key=lambda copy: copy.used):
            if total <= self._max_size:
                return
            if not self._remove(copy):
                continue
            inodes = [file.st_ino for file in copy.files]
            names.subtract(inodes)
            total -= sum(sizes.get(inode, 0) for inode in set(inodes) if names[inode] == 0)

    def _copies(self) -> Iterator[_Copy]:
        for path in [*self._cache.glob("blobs/*/*"), *self._cache.glob("trees/*")]:
            with contextlib.suppress(OSError):  # another process removed it
                top = path.stat()
                if path.name.startswith("."):
                    if top.st_mtime < time.time() - STALE_SECONDS:
                        _delete(path)
                    continue
                inside = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
                yield _Copy(path, top.st_atime, [file.stat() for file in inside])

    def _remove(self, copy: _Copy) -> bool:
        """Remove a copy unless a process holds it; who wants it meanwhile waits for its lock, and then finds none."""
        digest = copy.path.name if copy.path.parent.name == "trees" else copy.path.parent.name + copy.path.name
        with contextlib.suppress(OSError), _IN_USE.guard, _IN_USE.alone(self._cache, digest), aside(copy.path) as gone:
            copy.path.rename(gone)
            return True
        return False


def touch(path: Path) -> None:
    """Note that a copy is used now."""
    with contextlib.suppress(OSError):  # not ours to touch
        os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))


class _InUse:
    """The locks of this process. Closing any handle of a file drops all of them, so there is one for each cache."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self._handles: dict[Path, int] = {}
        self._held: set[tuple[Path, str]] = set()

    def take(self, cache: Path, digest: str) -> None:
        if (cache, digest) not in self._held:
            with contextlib.suppress(OSError):  # a cache that cannot be written is not made smaller either
                self._lock(cache, digest, "LOCK_SH")
                self._held.add((cache, digest))

    @contextlib.contextmanager
    def alone(self, cache: Path, digest: str) -> Iterator[None]:
        if (cache, digest) in self._held:
            raise BlockingIOError
        self._lock(cache, digest, "LOCK_EX", "LOCK_NB")
        try:
            yield
        finally:
            self._lock(cache, digest, "LOCK_UN")

    def forget(self) -> None:
        for handle in self._handles.values():
            os.close(handle)
        self._handles.clear()
        self._held.clear()

    def _lock(self, cache: Path, digest: str, *how: str) -> None:
        try:
            import fcntl
        except ImportError:  # Windows keeps open files by itself
            return
        if cache not in self._handles:
            cache.mkdir(parents=True, exist_ok=True)
            self._handles[cache] = os.open(cache / "in-use", os.O_RDWR | os.O_CREAT, 0o666)
        flags = sum(getattr(fcntl, name) for name in how)
        fcntl.lockf(self._handles[cache], flags, 1, int(digest[:14], 16))


_IN_USE = _InUse()


@contextlib.contextmanager
def aside(path: Path) -> Iterator[Path]:
    """Give a name beside `path` that nobody else uses; what is left there afterwards is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name[:16]}-{secrets.token_hex(8)}"
    try:
        yield temporary
    finally:
        _delete(temporary)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
