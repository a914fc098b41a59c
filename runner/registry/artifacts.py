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

from runner.digest import CHUNK, digest_bytes, digest_file
from runner.errors import GituneError, RegistryError
from runner.registry.copies import LocalCopies
from runner.registry.facts import Artifact
from runner.registry.store import Store
from runner.registry.trees import Manifest, files_below, manifest_of, parse_manifest

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
        cache: Folder for fetched copies; may be deleted at any time.
    """

    def __init__(self, store: Store, cache: Path) -> None:
        self._store = store
        self._copies = LocalCopies(cache)

    def put_bytes(self, data: bytes) -> Artifact:
        """Store a small blob."""
        return self._put(digest_bytes(data), len(data), lambda: [data])

    def put_file(self, path: Path) -> Artifact:
        """Store a file, streamed.

        Raises:
            RegistryError: when the file changes while it is being stored.
        """
        with _reading(path):
            digest, size = digest_file(path), path.stat().st_size
        return self._put(digest, size, lambda: _unchanged(path, digest))

    def put_tree(self, folder: Path) -> Artifact:
        """Store a folder: every file, then the manifest that names them."""
        with _reading(folder):
            files = {name: self.put_file(path) for name, path in files_below(folder)}
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
        if artifact.kind == "blob":
            return self._fetch_blob(artifact.digest)
        return self._copies.tree(artifact.digest, self._manifest(artifact), self._fetch_blob)

    def read(self, artifact: Artifact) -> bytes:
        """Return a small blob's verified bytes."""
        return self._read(artifact.digest)

    def _put(self, digest: str, size: int, chunks: Callable[[], Iterable[bytes]]) -> Artifact:
        """Write a blob unless it is there already; one that is there but damaged is written again."""
        key = blob_key(digest)
        local = self._store.local_path(key)
        present = self._store.size(key) == size and (local is None or self._copies.digest(local) == digest)
        if not present:
            self._store.put_stream(key, chunks())
        return Artifact(digest=digest, size=size)

    def _fetch_blob(self, digest: str) -> Path:
        local = self._store.local_path(blob_key(digest))
        if local is None:
            return self._copies.blob(digest, lambda: self._stream(digest))
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
            raise self._damaged(digest)

    def _read(self, digest: str) -> bytes:
        data = self._store.read(blob_key(digest))
        if data is None:
            raise self._lost(digest)
        if digest_bytes(data) != digest:
            raise self._damaged(digest)
        return data

    def _manifest(self, artifact: Artifact) -> Manifest:
        return parse_manifest(self._read(artifact.digest))

    def _lost(self, digest: str) -> RegistryError:
        return RegistryError(
            f"artifact {digest} is missing: {blob_key(digest)} is not in the store {self._store}",
            hint="Restore it from a copy of the store. If it belongs to no released version, apply again: "
            "the step that made it runs once more.",
        )

    def _damaged(self, digest: str) -> RegistryError:
        return RegistryError(
            f"artifact {digest} is damaged: {blob_key(digest)} in the store {self._store} has other bytes",
            hint="Restore it from a copy of the store. If it belongs to no released version, delete it and apply "
            "again: the step that made it runs once more.",
        )


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
