"""Files -> sha256 without reading those that have not changed since they were last read.

    index = FileIndex(cache)
    index.digest(path)
    index.save()

A digest is remembered together with what `stat` said. As in git's index, a file that was touched so shortly before it
was read that another write could hide behind the same timestamp is not remembered, and so is read again next time.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from pathlib import Path
from typing import NamedTuple

from runner.digest import digest_file
from runner.errors import GituneError

FORMAT = 1
SECOND = 1_000_000_000
# How far the clock of a file system may lag: kernels stamp files by a tick of up to 10 ms; FAT and some network file
# systems, known by their whole seconds, by up to 2 s.
_FINE_TICK, _COARSE_TICK = SECOND // 10, 2 * SECOND


class _Entry(NamedTuple):
    mtime_ns: int
    ctime_ns: int
    size: int
    inode: int
    digest: str


class FileIndex:
    """Remembers digests in `cache/file_index.json`; an index that is missing or unreadable costs time, nothing else."""

    def __init__(self, cache: Path) -> None:
        self._file = cache / "file_index.json"
        self._entries = _load(self._file)
        self._changed = False

    def digest(self, path: Path) -> str:
        """Return the sha256 of a file's content.

        Raises:
            GituneError: when the file cannot be read.
        """
        place = os.path.abspath(path)  # noqa: PTH100 - resolving links would cost a system call per folder
        try:
            before = os.stat(place)  # noqa: PTH116 - as above, this is the whole cost of a file that did not change
            known = self._entries.get(place)
            if known is not None and known == _entry(before, known.digest):
                return known.digest
            return self._read(place, before)
        except OSError as error:
            raise GituneError(f"cannot read {path}: {error.strerror or error}") from error

    def save(self) -> None:
        """Write the index, whole or not at all. Entries of files that are gone are dropped."""
        if not self._changed:
            return
        kept = {place: entry for place, entry in self._entries.items() if os.path.exists(place)}  # noqa: PTH110
        temporary = self._file.with_name(f".{self._file.name}-{secrets.token_hex(8)}")
        # A cache that cannot be written, on a read-only disk or a full one, must not stop a plan.
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps({"format": FORMAT, "files": kept}))
            temporary.replace(self._file)
            self._changed = False

    def _read(self, place: str, before: os.stat_result) -> str:
        now = time.time_ns()
        digest = digest_file(Path(place))
        entry = _entry(before, digest)
        self._changed |= self._entries.pop(place, None) is not None
        if _is_settled(before, now) and entry == _entry(os.stat(place), digest):  # noqa: PTH116
            self._entries[place] = entry
            self._changed = True
        return digest


def _entry(stat: os.stat_result, digest: str) -> _Entry:
    return _Entry(stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino, digest)


def _is_settled(stat: os.stat_result, now: int) -> bool:
    """Whether any later write is bound to get another timestamp than the one just seen."""
    touched = max(stat.st_mtime_ns, stat.st_ctime_ns)
    tick = _COARSE_TICK if touched % SECOND == 0 else _FINE_TICK
    return touched + tick < now


def _load(file: Path) -> dict[str, _Entry]:
    try:
        content = json.loads(file.read_bytes())
        if content["format"] != FORMAT:
            return {}
        return {place: _checked(entry) for place, entry in content["files"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _checked(values: list[object]) -> _Entry:
    match values:
        case [int(mtime), int(ctime), int(size), int(inode), str(digest)]:
            return _Entry(mtime, ctime, size, inode, digest)
        case _:
            raise ValueError("not an entry of a file index")
