"""Files and folders <-> content-addressed artifacts: `blobs/sha256/ab/cdef…`, streamed, stored once, verified.

A blob in a store that is a local folder is used in place. Everything else is fetched into `cache`: blobs of a remote
store, and trees, which are put together by hard links.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from runner.digest import CHUNK, digest_bytes, digest_file
from runner.errors import GituneError, RegistryError, TransientError
from runner.progress import Report, silent
from runner.registry.copies import LocalCopies
from runner.registry.facts import Artifact
from runner.registry.store import Store
from runner.registry.transfers import Transfer
from runner.registry.trees import Manifest, files_below, manifest_of, parse_manifest

Result = TypeVar("Result")

# Where damaged blobs are kept for whoever wants to know what happened to them.
CORRUPT = "corrupt"

_DIGEST = re.compile(r"[0-9a-f]{64}")


def blob_key(digest: str) -> str:
    """Return where a blob is stored.

    Raises:
        RegistryError: when `digest` is no sha256, and so could name another place.
    """
    if _DIGEST.fullmatch(digest) is None:
        raise RegistryError(f"{digest!r} is not a sha256 digest")
    return f"blobs/sha256/{digest[:2]}/{digest[2:]}"


class Artifacts:
    """Stores and fetches artifacts.

    Args:
        store: Where blobs are.
        copies: The local cache of fetched copies.
        report: Who is told of transfers that take a while.
        mends: Whether damaged blobs are set aside, so that the next plan sees that they are missing. Only a step at
            work does that; whoever just looks changes nothing.
    """

    def __init__(self, store: Store, copies: LocalCopies, report: Report = silent, *, mends: bool = False) -> None:
        self._store = store
        self._copies = copies
        self._report = report
        self._mends = mends

    def at_work(self, report: Report) -> Artifacts:
        """Return the same artifacts as a running step uses them."""
        return Artifacts(self._store, self._copies, report, mends=True)

    def put_bytes(self, data: bytes) -> Artifact:
        """Store a small blob."""
        return self._put(digest_bytes(data), len(data), lambda: [data], self._transfer("storing", len(data)))

    def put_file(self, path: Path) -> Artifact:
        """Store a file, streamed.

        Raises:
            RegistryError: when the file changes while it is being stored.
        """
        return self._put_file(path, self._transfer("storing", _size(path)))

    def put_tree(self, folder: Path) -> Artifact:
        """Store a folder: every file, several at once, then the manifest that names them."""
        with _reading(folder):
            paths = dict(files_below(folder))
        moved = self._transfer("storing", sum(map(_size, paths.values())))
        stored = moved.together(lambda path: self._put_file(path, moved), list(paths.values()))
        files = dict(zip(paths, stored, strict=True))
        manifest = self.put_bytes(manifest_of(files))
        return Artifact(digest=manifest.digest, size=sum(file.size for file in files.values()), kind="tree")

    def exists(self, artifact: Artifact) -> bool:
        """Return whether all bytes of an artifact are there with the right size."""
        if artifact.kind == "blob":
            return self._store.size(blob_key(artifact.digest)) == artifact.size
        try:
            manifest = self._manifest(artifact)
        except RegistryError:
            return False
        files = manifest.files.values()
        return manifest.size == artifact.size and all(
            self._store.size(blob_key(file.digest)) == file.size for file in files
        )

    def fetch(self, artifact: Artifact) -> Path:
        """Return a local read-only path (file or folder) with the artifact's verified bytes.

        Raises:
            RegistryError: when bytes are missing or do not match their digest.
        """
        moved = self._transfer("fetching", artifact.size)
        if artifact.kind == "blob":
            return self._fetch_blob(artifact.digest, moved)

        def blobs(digests: list[str]) -> list[Path]:
            return moved.together(lambda digest: self._fetch_blob(digest, moved), digests)

        manifest = self._manifest(artifact)
        if self._store.local_path(blob_key(artifact.digest)) is not None:
            blobs(manifest.digests)  # verified where they are: an older copy of ours must not stand in for them
        return self._copies.tree(artifact.digest, manifest, blobs)

    def read(self, artifact: Artifact) -> bytes:
        """Return a small blob's verified bytes."""
        return self._read(artifact.digest)

    def _transfer(self, verb: str, size: int) -> Transfer:
        return Transfer(f"{verb} an artifact ({self._store})", size, self._report)

    def _put_file(self, path: Path, moved: Transfer) -> Artifact:
        with _reading(path):
            digest, size = digest_file(path), path.stat().st_size
        return self._put(digest, size, lambda: _unchanged(path, digest), moved)

    def _put(self, digest: str, size: int, chunks: Callable[[], Iterable[bytes]], moved: Transfer) -> Artifact:
        """Write a blob unless it is there already; one that is there but damaged is written again."""
        key = blob_key(digest)
        if self._is_stored(key, digest, size):
            moved.skip(size)
            return Artifact(digest=digest, size=size)
        self._store.put_stream(key, moved.counted(chunks()))
        if (stored := self._store.size(key)) != size:
            raise TransientError(
                f"{key} was stored in {self._store} with {stored} bytes instead of {size}", hint="Apply again."
            )
        return Artifact(digest=digest, size=size)

    def _is_stored(self, key: str, digest: str, size: int) -> bool:
        if self._store.size(key) != size:
            return False
        if (local := self._store.local_path(key)) is not None:
            return self._copies.digest(local) == digest
        # Small ones are looked into, manifests above all. What is wrong with a large one shows when it is fetched.
        return size > CHUNK or digest_bytes(self._store.read(key) or b"") == digest

    def _fetch_blob(self, digest: str, moved: Transfer) -> Path:
        local = self._store.local_path(blob_key(digest))
        if local is None:
            return self._twice(digest, lambda: self._copies.blob(digest, lambda: moved.counted(self._stream(digest))))
        with _reading(local):
            if self._copies.digest(local) != digest:
                raise self._damaged(digest)
        return local

    def _stream(self, digest: str) -> Iterator[bytes]:
        chunks = self._store.stream(blob_key(digest))
        if chunks is None:
            raise self._lost(digest)
        sha = hashlib.sha256()
        for chunk in chunks:
            sha.update(chunk)
            yield chunk
        if sha.hexdigest() != digest:
            raise _OtherBytesError

    def _read(self, digest: str) -> bytes:
        return self._twice(digest, lambda: self._read_once(digest))

    def _read_once(self, digest: str) -> bytes:
        data = self._store.read(blob_key(digest))
        if data is None:
            raise self._lost(digest)
        if digest_bytes(data) != digest:
            raise _OtherBytesError
        return data

    def _twice(self, digest: str, attempt: Callable[[], Result]) -> Result:
        """Try again what arrived with other bytes: it may have been damaged on its way only."""
        for _ in range(2):
            with contextlib.suppress(_OtherBytesError):
                return attempt()
        raise self._damaged(digest)

    def _manifest(self, artifact: Artifact) -> Manifest:
        return parse_manifest(self._read(artifact.digest))

    def _lost(self, digest: str) -> RegistryError:
        return RegistryError(
            f"artifact {digest} is missing: {blob_key(digest)} is not in the store {self._store}",
            hint="Restore it from a copy of the store. If it belongs to no released version, apply again: "
            "the step that made it runs once more.",
        )

    def _damaged(self, digest: str) -> RegistryError:
        """Say that a blob is damaged; at work, set it aside too, so that it counts as missing from now on."""
        key, aside = blob_key(digest), f"{CORRUPT}/{digest}"
        message = f"artifact {digest} is damaged: {key} in the store {self._store} has other bytes"
        remedy = "If a released version needs it, restore it from a copy of the store; else apply again: "
        if self._mends:
            try:
                self._store.set_aside(key, aside)
            except GituneError as error:
                return RegistryError(f"{message}, and cannot be set aside: {error.message}", hint=error.hint)
            return RegistryError(
                message, hint=f"{remedy}the step that made it runs once more. The damaged bytes are now {aside}."
            )
        return RegistryError(
            message, hint=f"{remedy}the step that reads it sets it aside, and the next apply runs what made it."
        )


class _OtherBytesError(Exception):
    """What was read is not what its digest says."""


def _size(path: Path) -> int:
    with _reading(path):
        return path.stat().st_size


def _unchanged(path: Path, digest: str) -> Iterator[bytes]:
    """Yield a file's bytes; raise at the end when they are not those that were promised, so nothing gets stored."""
    sha = hashlib.sha256()
    with _reading(path), path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha.update(chunk)
            yield chunk
    if sha.hexdigest() != digest:
        raise RegistryError(f"{path} changed while it was being stored", hint="Apply again when nothing writes to it.")


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise GituneError(f"cannot read {path}: {error.strerror or error}") from error
