"""A process shows that it lives: a file in the cache that it keeps locked. The system lifts the lock when it dies.

So who shares the cache, on the same machine, knows of a killed process at once, whatever became of its process id.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: a dead process is told from a living one by its silence alone
    fcntl = None  # type: ignore[assignment]

FORGET = 14 * 86400
"""Seconds after which what a killed process left here is of use to nobody."""


@contextmanager
def present(cache: Path, owner: str) -> Iterator[None]:
    """Show that `owner` lives, until the block ends."""
    if fcntl is None:
        yield
        return
    folder = _folder(cache)
    folder.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    file = folder / owner
    with file.open("w") as handle:
        # A file system without locks: its silence will have to tell.
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def is_gone(cache: Path, owner: str) -> bool:
    """Return whether `owner` was a process of this machine that was killed; False where nothing here tells."""
    if fcntl is None or Path(owner).name != owner:
        return False
    try:
        handle = os.open(_folder(cache) / owner, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _folder(cache: Path) -> Path:
    return cache / "running"


def _sweep(folder: Path) -> None:
    for file in folder.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_mtime > FORGET and is_gone(folder.parent, file.name):
                file.unlink()
