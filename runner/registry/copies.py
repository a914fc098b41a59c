"""Verified local copies: `cache/blobs/ab/cdef…` and `cache/trees/<digest>/`.

The cache is never trusted. What is in it is checked against its digest once per process, and made again when it does
not match, so that it may be shared, pruned or restored by CI at will.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from runner.digest import digest_file
from runner.errors import GituneError, RegistryError
from runner.registry.cache_limit import CacheLimit, aside, touch
from runner.registry.trees import Manifest, files_below


class LocalCopies:
    """Keeps copies of artifacts below `cache`, up to `max_size` bytes (None: no limit)."""

    def __init__(self, cache: Path, max_size: int | None = None) -> None:
        self._cache = cache
        self._limit = CacheLimit(cache, max_size)
        self._known: dict[tuple[int, int, int, int], str] = {}

    def digest(self, path: Path) -> str:
        """Return a file's sha256, reading each state of a file once per process."""
        stat = path.stat()
        # Hard links share device and inode: a blob verified in the store is not read again in a tree.
        state = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
        if state not in self._known:
            self._known[state] = digest_file(path)
        return self._known[state]

    def blob(self, digest: str, download: Callable[[], Iterable[bytes]]) -> Path:
        """Return the copy of a blob; `download` yields its bytes, and raises when they are wrong."""
        path = self._cache / "blobs" / digest[:2] / digest[2:]
        with self._explained():
            self._limit.hold(digest)  # before it is looked at: what is held stays
            if not (path.is_file() and self.digest(path) == digest):
                with aside(path) as temporary:
                    _write(temporary, download())
                    temporary.replace(path)
                self._limit.make_room()
            touch(path)
        return path

    def tree(self, digest: str, manifest: Manifest, blobs: Callable[[list[str]], list[Path]]) -> Path:
        """Return the folder of a tree, put together from the verified files that `blobs` finds."""
        path = self._cache / "trees" / digest
        with self._explained():
            self._limit.hold(digest)
            if self._is_intact(path, manifest):
                touch(path)
                return path
            found = dict(zip(manifest.digests, blobs(manifest.digests), strict=True))
            with aside(path) as temporary:
                for name, file in manifest.files.items():
                    _link(found[file.digest], temporary / name)
                self._move(temporary, path, manifest)
            self._limit.make_room()
        return path

    def _is_intact(self, folder: Path, manifest: Manifest) -> bool:
        if not folder.is_dir():
            return False
        try:
            found = {name: self.digest(path) for name, path in files_below(folder)}
        except GituneError:  # somebody put a link there
            return False
        return found == {name: file.digest for name, file in manifest.files.items()}

    def _move(self, temporary: Path, path: Path, manifest: Manifest) -> None:
        temporary.mkdir(exist_ok=True)  # a tree without files
        if path.is_dir():
            if self._is_intact(path, manifest):  # another process was faster, and may be reading in it
                return
            with aside(path) as discarded:
                path.rename(discarded)
        try:
            temporary.rename(path)
        except OSError:
            if not self._is_intact(path, manifest):  # faster by a hair
                raise

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RegistryError(
                f"cannot keep a copy below {self._cache}: {error.strerror or error}",
                hint="Look at permissions and free space.",
            ) from error


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "wb") as file:  # noqa: PTH123
        file.writelines(chunks)


def _link(source: Path, target: Path) -> None:
    """Make `target` the same read-only file; a copy where links cannot reach."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, no links there, or not ours to link
        shutil.copyfile(source, target)
        target.chmod(0o444)
