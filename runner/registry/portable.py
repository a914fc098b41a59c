"""One released version <-> a folder that describes itself and needs no registry.

At the top lie the weights as other tools load them, the tokenizer and a model card; below `gitune/` the version, the
records of its chain, their small artifacts and a manifest with the sha256 of every file. `write_export` makes it,
`read_export` checks it file by file, `take_over` puts it into a registry.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from runner.digest import digest_bytes, digest_file, digest_json
from runner.errors import ConflictError, RegistryError, UsageError
from runner.registry.artifacts import blob_key
from runner.registry.chain import record_digest, sealed_records
from runner.registry.entries import decode, encode
from runner.registry.facts import Artifact, Fact, Record, Ruling, Step, Version
from runner.registry.folder_store import FolderStore
from runner.registry.registry import Registry
from runner.registry.trees import Digest, TreeFile, parse_manifest, stays_inside
from runner.registry.views import RegistryReader, RegistryWriter
from runner.spec.semver import next_minor, parse

OWN = "gitune"
MANIFEST, VERSION = f"{OWN}/manifest.json", f"{OWN}/version.json"
CARD = "README.md"
"""For people, who may edit it: it is the one file without a digest."""

SHAREABLE = {"adapter", "curve", "metrics", "card", "verdicts", "timings"}
"""Outputs of steps that hold nothing of the rows; the others leave the registry only when asked to."""


class ExportManifest(Fact):
    """`gitune/manifest.json`: what is in the folder."""

    format_version: Literal["1.0"] = "1.0"
    """Version of this layout."""
    name: str
    """Name of the spec."""
    version: str
    """The released version."""
    files: Mapping[str, TreeFile]
    """Every file but this one and the model card: path -> digest and size."""
    withheld: list[Digest] = Field(default_factory=list)
    """Artifacts of the chain that hold rows, answers or labels, and were left out."""


class Exported(Registry):
    """A folder that was read and checked, seen as the registry that its version came from."""

    def __init__(self, folder: Path, manifest: ExportManifest, version: Version, records: list[Record]) -> None:
        super().__init__(FolderStore(folder / OWN / "none"), folder)  # whatever is not in the export does not exist
        self.folder = folder
        self.manifest = manifest
        self.exported = version
        self.records_of_chain = records

    def records_of(self, step: Step, key: str) -> Iterator[Record]:
        """Yield the record of the chain."""
        return (record for record in self.records_of_chain if (record.step, record.key) == (step, key))

    def rulings(self, name: str) -> list[Ruling]:
        """Return the approval that the version was released with, if there is one."""
        approval = self.exported.approval
        return [approval] if approval is not None and approval.name == name else []

    def fetch(self, artifact: Artifact) -> Path:
        """Return where the bytes of a blob are; for a withheld one, and for a folder, the export itself.

        Raises:
            RegistryError: when they are neither there nor withheld.
        """
        if artifact.digest in self.manifest.withheld:
            return self.folder
        path = self.path_of(artifact.digest)
        if path is None:
            raise RegistryError(f"artifact {artifact.digest} is neither in {self.folder} nor withheld")
        if artifact.kind == "tree":
            for file in parse_manifest(path.read_bytes()).files.values():
                self.fetch(Artifact(digest=file.digest, size=file.size))
        return path

    def read(self, artifact: Artifact) -> bytes:
        """Return a small blob's verified bytes.

        Raises:
            RegistryError: when they are not in the folder.
        """
        path = self.path_of(artifact.digest)
        if path is None:
            raise RegistryError(f"artifact {artifact.digest} is not in {self.folder}")
        return path.read_bytes()

    def path_of(self, digest: str) -> Path | None:
        """Return the file with these bytes."""
        found = (path for path, file in self.manifest.files.items() if file.digest == digest)
        return next((self.folder / path for path in found), None)

    def is_complete(self, record: Record) -> bool:
        """Whether all that a record names is in the folder."""
        return all(self.path_of(artifact.digest) is not None for artifact in record.outputs.values())


def write_export(
    version: Version,
    registry: RegistryReader,
    target: Path,
    extras: Mapping[str, Path | bytes],
    *,
    with_data: bool = False,
) -> ExportManifest:
    """Write a version into a folder that must not exist yet; whole or not at all.

    Args:
        version: what to export.
        registry: where it is.
        target: the folder.
        extras: more files for the top of it: tokenizer, chat template, model card.
        with_data: also write rows, answers and scores, without which its proof cannot be followed to its end.

    Raises:
        UsageError: when the folder exists.
        RegistryError: when bytes of its weights are missing or damaged.
    """
    if os.path.lexists(target):
        raise UsageError(f"{target} exists already", hint="name a folder that does not exist yet")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{target.name}-{secrets.token_hex(8)}"
    try:
        records = list(sealed_records(version, registry).values())
        _write_weights(version.content.adapter, registry, temporary)
        withheld = list(_write_artifacts(records, registry, temporary, with_data=with_data))
        for record in records:
            _write(temporary / OWN / "records" / record.step / f"{record.key}.json", encode(record))
        _write(temporary / VERSION, encode(version))
        for name, content in extras.items():
            _place(content, version.content.adapter, temporary / name, temporary)
        files = {path: file for path, file in _digests(temporary) if path != CARD}
        manifest = ExportManifest(name=version.name, version=version.version, files=files, withheld=sorted(withheld))
        _write(temporary / MANIFEST, encode(manifest))
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return manifest


def read_export(folder: Path) -> Exported:
    """Read a folder that `write_export` made and verify every file of it.

    Raises:
        UsageError: when the folder is no export.
        RegistryError: naming the file that is missing, was changed, or leads out of the folder.
    """
    if not (folder / MANIFEST).is_file():
        raise UsageError(f"{folder} is no exported version: it has no {MANIFEST}")
    manifest = decode(ExportManifest, (folder / MANIFEST).read_bytes())
    if manifest is None:
        raise _corrupt(folder, MANIFEST, "is no manifest of an export, or of a newer release")
    for path, file in manifest.files.items():
        if fault := _fault(folder, path, file):
            raise _corrupt(folder, path, fault)
    version = decode(Version, _listed(folder, VERSION, manifest))
    if version is None or (version.name, version.version) != (manifest.name, manifest.version):
        raise _corrupt(folder, VERSION, f"is not the version {manifest.name}@{manifest.version}")
    parse(version.version)
    return Exported(folder, manifest, version, list(_records(folder, manifest)))


def take_over(export: Exported, registry: RegistryWriter) -> list[Record]:
    """Write an export into a registry: artifacts, then records, then the version; what is there already stays.

    Returns:
        The records that were written.

    Raises:
        ConflictError: when the version is released there with other content; nothing is written then.
    """
    version = export.exported
    existing = registry.version(version.name, version.version)
    if existing is not None and existing.content != version.content:
        raise ConflictError(
            f"{version.name}@{version.version} is already released there with other content",
            hint=f"a released version never changes; release the other under a new number, such as "
            f"{next_minor(version.version)}",
        )
    for path in export.manifest.files:
        if path.startswith(f"{OWN}/blobs/"):
            registry.put_file(export.folder / path)
    for file in parse_manifest(export.fetch(version.content.adapter).read_bytes()).files.values():
        registry.put_file(export.fetch(Artifact(digest=file.digest, size=file.size)))
    complete = filter(export.is_complete, export.records_of_chain)
    new = [record for record in complete if not _is_known(record, registry)]
    for record in new:
        registry.add_record(record)
    if (approval := version.approval) is not None:
        known = registry.rulings(version.name)
        if not any(approval.is_same(ruling) for ruling in known):
            registry.add_ruling(approval.model_copy(update={"number": len(known) + 1}))
    registry.release(version)
    return new


def _is_known(record: Record, registry: RegistryReader) -> bool:
    """Whether a registry has this record. One of the same key with other outputs is another: it was made elsewhere."""
    known = registry.records_of(record.step, record.key)
    return any(record_digest(one) == record_digest(record) for one in known)


def _write_weights(adapter: Artifact, registry: RegistryReader, target: Path) -> None:
    """Copy the weights to the top of the folder, and what names their files beside the other artifacts."""
    shutil.copytree(registry.fetch(adapter), target, copy_function=shutil.copyfile)
    _write(_blob_path(target, adapter.digest), registry.read(adapter))


def _write_artifacts(
    records: list[Record], registry: RegistryReader, target: Path, *, with_data: bool
) -> Iterator[str]:
    """Write small artifacts; yield the digests of those that are withheld."""
    for record in records:
        for name, artifact in record.outputs.items():
            if artifact.kind == "tree":
                continue
            if with_data or name in SHAREABLE:
                _write(_blob_path(target, artifact.digest), registry.read(artifact))
            else:
                yield artifact.digest


def _place(content: Path | bytes, adapter: Artifact, path: Path, target: Path) -> None:
    """Write a file to the top; a file of the weights that has its name is kept beside the other artifacts."""
    data = content.read_bytes() if isinstance(content, Path) else content
    names = parse_manifest(_blob_path(target, adapter.digest).read_bytes()).files
    if path.name in names and names[path.name].digest != digest_bytes(data):
        _write(_blob_path(target, names[path.name].digest), path.read_bytes())
        path.unlink()
    if not path.exists():
        _write(path, data)


def _blob_path(target: Path, digest: str) -> Path:
    blob_key(digest)  # refuses what is no digest
    return target / OWN / "blobs" / digest


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _digests(folder: Path) -> Iterator[tuple[str, TreeFile]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest, size = digest_file(path), path.stat().st_size
            yield path.relative_to(folder).as_posix(), TreeFile(digest=digest, size=size)


def _fault(folder: Path, path: str, file: TreeFile) -> str | None:
    if not stays_inside(path) or path == CARD:
        return "leads out of the folder"
    place = folder / path
    if not place.resolve().is_relative_to(folder.resolve()):
        return "is a link that leads out of the folder"
    if not place.is_file():
        return "is missing"
    if place.stat().st_size != file.size or digest_file(place) != file.digest:
        return "was changed: its bytes are not those of the manifest"
    return None


def _records(folder: Path, manifest: ExportManifest) -> Iterator[Record]:
    for path in manifest.files:
        if not path.startswith(f"{OWN}/records/"):
            continue
        record = decode(Record, _listed(folder, path, manifest))
        if record is None or path != f"{OWN}/records/{record.step}/{record.key}.json":
            raise _corrupt(folder, path, "is not the record that its name says")
        if digest_json(record.inputs) != record.key:
            raise _corrupt(folder, path, "has a key that is not the digest of its inputs")
        yield record


def _listed(folder: Path, path: str, manifest: ExportManifest) -> bytes:
    if path not in manifest.files:
        raise _corrupt(folder, path, "is not listed in the manifest")
    return (folder / path).read_bytes()


def _corrupt(folder: Path, path: str, fault: str) -> RegistryError:
    return RegistryError(
        f"{folder}: {path} {fault}", hint="nothing was imported; export the version again, or copy the folder anew"
    )
