"""A folder <-> its manifest: the blob `{"files": {"a/b.bin": {"digest": …, "size": …}}}` whose digest names the tree.

Only names and contents count: file order, times, modes and empty folders do not. Links are refused, for what they point
at is not in the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from runner.digest import canonical_json
from runner.errors import GituneError, RegistryError
from runner.registry.facts import Artifact, Fact

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class TreeFile(Fact):
    """One file of a tree."""

    digest: Digest
    """sha256 of its bytes."""
    size: Annotated[int, Field(ge=0)]
    """Bytes."""


class Manifest(Fact):
    """All files of a tree by relative path."""

    files: Mapping[str, TreeFile]
    """Path with `/` between its parts -> file."""

    @property
    def digests(self) -> list[str]:
        """Digests of all files, each once."""
        return sorted({file.digest for file in self.files.values()})

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files.values())


def manifest_of(files: Mapping[str, Artifact]) -> bytes:
    """Write the manifest of a tree from the blobs of its files."""
    plain = {path: {"digest": blob.digest, "size": blob.size} for path, blob in files.items()}
    return canonical_json({"files": plain})


def parse_manifest(data: bytes) -> Manifest:
    """Read a manifest.

    Raises:
        RegistryError: when it is none, or when a path in it would lie outside the tree's folder.
    """
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise RegistryError(f"not the manifest of a tree: {error.error_count()} problems") from error
    for path in manifest.files:
        if not _stays_inside(path):
            raise RegistryError(f"the manifest of a tree names {path!r}, which lies outside of it")
    return manifest


def files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield relative path and place of every file below a folder.

    Raises:
        GituneError: for links, sockets and other things that are not plain files, and names that are not UTF-8.
    """
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from ((f"{entry.name}/{inner}", place) for inner, place in files_below(path))
        elif entry.is_file(follow_symlinks=False):
            yield _utf8(entry.name, path), path
        else:
            raise GituneError(
                f"{path} is not a plain file, and cannot be stored in the registry",
                hint="Replace links by the files they point at.",
            )


def _stays_inside(path: str) -> bool:
    return "\0" not in path and not any(part in ("", ".", "..") for part in path.split("/"))


def _utf8(name: str, path: Path) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise GituneError(f"the name of {str(path)!a} is not UTF-8", hint="Rename the file.") from error
    return name
