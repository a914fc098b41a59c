"""A store in a local folder: what is visible is whole, and what a call has returned from survives a power cut.

A new object is written to `<store>/.tmp`, fsynced, and then linked (create-if-absent) or renamed (replace) to its
place, and the folder that names it is fsynced too. Files are read-only: nothing in a store is ever edited.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from runner.digest import CHUNK
from runner.errors import RegistryError
from runner.registry.listing import Listed

TEMPORARY = ".tmp"
# A writer killed in the middle leaves its temporary file; nobody writes one object for longer than this.
STALE_SECONDS = 24 * 3600
# Times that a writer's folder may be removed under its hands.
_TRIES = 9


class FolderStore:
    """Objects as files below `folder`, which is made at the first write."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._swept = False

    def __str__(self) -> str:
        return str(self.folder)

    def read(self, key: str) -> bytes | None:
        """Return all bytes of a small object, or None when there is none."""
        with self._explained("read", key):
            try:
                with open(self._quick_path(key), "rb") as file:  # noqa: PTH123
                    return file.read()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def stream(self, key: str) -> Iterator[bytes] | None:
        """Return the bytes of an object in pieces, or None when there is none."""
        path = self.local_path(key)
        return None if path is None else self._chunks(path, key)

    def size(self, key: str) -> int | None:
        """Return the size of an object in bytes, or None when there is none."""
        with self._explained("look at", key):
            try:
                return os.stat(self._quick_path(key)).st_size  # noqa: PTH116
            except (FileNotFoundError, NotADirectoryError):
                return None

    def local_path(self, key: str) -> Path | None:
        """Return the object's own file, or None when there is none."""
        path = self._path(key)
        return path if path.is_file() else None

    def create(self, key: str, data: bytes) -> bool:
        """Create a small object; return False, and change nothing, when the key is taken."""
        path = self._path(key)
        with self._explained("write", key):
            if path.exists():
                return False
            with self._written([data]) as temporary:
                try:
                    _name(path, lambda: os.link(temporary, path))
                except FileExistsError:
                    return False
        return True

    def put_stream(self, key: str, chunks: Iterable[bytes]) -> None:
        """Write an object from pieces, replacing what was there; nothing is replaced when the iterable raises."""
        path = self._path(key)
        with self._explained("write", key), self._written(chunks) as temporary:
            _name(path, lambda: temporary.replace(path))

    def set_aside(self, key: str, to: str) -> None:
        """Move an object to another key, replacing what was there; nothing happens when there is none."""
        path, target = self._path(key), self._path(to)
        with self._explained("move", key), contextlib.suppress(FileNotFoundError):  # another process was faster
            _name(target, lambda: path.replace(target))
            _sync_folder(path.parent)

    def list(self, prefix: str) -> Iterator[str]:
        """Yield the keys below a folder, in no particular order."""
        with self._explained("list", prefix):
            try:
                entries = list(os.scandir(self._quick_path(prefix)))
            except (FileNotFoundError, NotADirectoryError):
                return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            key = f"{prefix}/{entry.name}" if prefix else entry.name
            if entry.is_dir():
                yield from self.list(key)
            else:
                yield key

    def entries(self, prefix: str) -> Iterator[Listed]:
        """Yield the objects below a folder with their sizes and ages, in no particular order."""
        for key in self.list(prefix):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # somebody removes it meanwhile
                stat = os.stat(self._quick_path(key))  # noqa: PTH116
                yield Listed(key, stat.st_size, stat.st_mtime)

    def delete(self, key: str) -> bool:
        """Remove an object for good; return False when there is none. Only garbage collection does."""
        path = self._path(key)
        with self._explained("delete", key):
            try:
                path.unlink()
            except (FileNotFoundError, NotADirectoryError):
                return False
            _sync_folder(path.parent)
            # A folder that is empty now would cost every later listing a look.
            with contextlib.suppress(OSError):
                path.parent.rmdir()
        return True

    def _path(self, key: str) -> Path:
        return self.folder / key

    def _quick_path(self, key: str) -> str:
        """Return the place as text: a plan looks at thousands of objects, and building each Path costs double."""
        return f"{self.folder}/{key}"

    def _chunks(self, path: Path, key: str) -> Iterator[bytes]:
        with self._explained("read", key), path.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    @contextlib.contextmanager
    def _written(self, chunks: Iterable[bytes]) -> Iterator[Path]:
        """Write chunks to a synced temporary file, which is gone afterwards unless it was renamed."""
        folder = self.folder / TEMPORARY
        _make_folder(folder)
        self._sweep(folder)
        path = folder / f"{os.getpid()}-{secrets.token_hex(8)}"
        try:
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o444), "wb") as file:  # noqa: PTH123
                file.writelines(chunks)
                file.flush()
                os.fsync(file.fileno())
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _sweep(self, folder: Path) -> None:
        """Once per process, remove what killed writers left behind."""
        if self._swept:
            return
        self._swept = True
        oldest = time.time() - STALE_SECONDS
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process may sweep too
                if path.stat().st_mtime < oldest:
                    path.unlink()

    @contextlib.contextmanager
    def _explained(self, verb: str, key: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise RegistryError(
                f"cannot {verb} {key} in the store {self.folder}: {error.strerror or error}",
                hint="Look at permissions and free space; the file system must have hard links.",
            ) from error


def _name(path: Path, do: Callable[[], object]) -> None:
    """Give an object its name, durably. Its folder may be removed at any moment, as one that a delete has emptied."""
    for last in (False,) * _TRIES + (True,):
        try:
            _make_folder(path.parent)
            do()
        except FileNotFoundError:
            if last:
                raise
        else:
            _sync_folder(path.parent)
            return


def _make_folder(folder: Path) -> None:
    """Make a folder and its parents so that they survive a power cut."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    # Not `exist_ok`: that looks again, and a folder that somebody removed in between would count as a taken key.
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable, as fsync of a file does not. A folder that is gone by now names nothing."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
