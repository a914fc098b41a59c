"""Base model: URI in a spec -> digest, for plans -> files, for training and engines.

ref = resolve_base(spec.base_model, lock, root, file_roots, index, where)   # light: on `gitune plan`'s path
files = materialize(ref, root, cache, report)                               # verified, dequantized once
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.digest import digest_file, digest_json
from runner.errors import GituneError, Location, Problem, RegistryError, SpecError
from runner.file_index import FileIndex
from runner.models.hf_to_gguf import config_obstacle
from runner.models.locate import (
    BaseUri,
    checkpoint_files,
    hub_snapshot,
    local_path,
    package_file,
    parse_uri,
)
from runner.progress import Progress, Report, silent

# A process that only loads a model starts without pydantic, which is more than its own start.
if TYPE_CHECKING:
    from runner.spec.lock import Pin

CONVERSION = "v1"
"""Raised when a conversion would give other files; part of the cache folder's name."""


@dataclass(frozen=True, slots=True)
class BaseRef:
    """A base model by content."""

    uri: str
    digest: str
    """sha256 of the GGUF file, or of the names and digests of a checkpoint's files."""
    size: int
    chat_template: str | None = None
    """Text of the template that takes the place of the model's own, where a spec or a version names one."""
    no_gguf: str | None = field(default=None, compare=False)
    """Why llama.cpp cannot serve it, as far as that is known before its files are opened."""


@dataclass(frozen=True, slots=True)
class BaseFiles:
    """A base model on this machine."""

    ref: BaseRef
    checkpoint: Path
    """Hugging Face folder: safetensors, configuration, tokenizer, chat template."""
    gguf: Path | None
    """The same model as GGUF, if it came as one; else `base_gguf` makes it."""
    derived: Path | None = None
    """Folder of the cache for what is made from this model."""


def needs_pin(uri: str) -> bool:
    """Return whether `data.lock` must pin this URI; a file:// base is hashed where it lies."""
    return not uri.startswith("file://")


def resolve_base(
    uri: str,
    lock: Mapping[str, Pin],
    root: Path,
    file_roots: Sequence[str],
    index: FileIndex,
    where: Location,
    what: str = "base_model",
) -> BaseRef:
    """Return what a spec's `base_model` means, without network, imports or reading a file that did not change.

    `what` is what errors call it; other models of a spec are found in the same way.

    Raises:
        SpecError: when the URI is malformed, not pinned, or leads where the policy forbids.
    """
    try:
        parsed = parse_uri(uri)
        if parsed.scheme == "file":
            path = local_path(parsed, root, file_roots)
            ref, config = _digest(uri, path, index.digest), _config(path)
            return replace(ref, no_gguf=config_obstacle(config) if config else None)
        if pin := lock.get(uri):
            known = {"model_type": pin.model_type}
            return BaseRef(uri, pin.sha256, pin.size, no_gguf=config_obstacle(known) if pin.model_type else None)
    except GituneError as error:
        raise SpecError([Problem(error.message, where, error.hint)]) from error
    raise SpecError([Problem(f"{what} {uri} is not pinned in data.lock", where, "run `gitune data lock`")])


def read_digest(uri: str, root: Path, file_roots: Sequence[str], index: FileIndex) -> str:
    """Return the digest of a model that lies on this machine; a file that did not change is not read again.

    Raises:
        GituneError: when it is not there.
    """
    return _digest(uri, _find(parse_uri(uri), root, file_roots), index.digest).digest


def pin_base(uri: str, root: Path, file_roots: Sequence[str] = ()) -> Pin:
    """Find a base model, downloading it if need be, and return the pin that `gitune data lock` writes."""
    from runner.spec.lock import Pin

    path = _find(parse_uri(uri), root, file_roots)
    ref = _digest(uri, path, digest_file)
    return Pin(sha256=ref.digest, size=ref.size, model_type=_config(path).get("model_type"))


def materialize(
    ref: BaseRef, root: Path, cache: Path, report: Report = silent, file_roots: Sequence[str] = ("/",)
) -> BaseFiles:
    """Return the files of a base model after verifying its digest; a GGUF file is dequantized once into `cache`.

    `file_roots` is open by default: whoever holds a `BaseRef` got it from `resolve_base`, which applied the policy.

    Raises:
        RegistryError: when the bytes are not those of `ref`.
        GituneError: when the model cannot be found or is of a kind that cannot be tuned here.
    """
    path = _find(parse_uri(ref.uri), root, file_roots)
    report(Progress("verifying the base model"))
    found = _digest(ref.uri, path, digest_file)
    if found.digest != ref.digest:
        raise RegistryError(
            f"{ref.uri} has changed: sha256 {found.digest[:12]}…, expected {ref.digest[:12]}…",
            hint="restore it, or accept the new content with `gitune data lock`",
        )
    derived = cache / "models" / f"{ref.digest}-{CONVERSION}"
    if path.is_dir():
        return BaseFiles(ref, path, None, derived)
    checkpoint = derived / "checkpoint"
    if not checkpoint.exists():
        from runner.models.gguf_to_hf import dequantize

        _build(checkpoint, lambda folder: dequantize(path, folder, report))
    return BaseFiles(ref, checkpoint, path, derived)


def base_gguf(base: BaseFiles, report: Report = silent) -> Path:
    """Return the base model as GGUF, exported once where it came as a checkpoint.

    Raises:
        GituneError: when it has no GGUF form; llama.cpp cannot serve it then.
    """
    if base.gguf is not None:
        return base.gguf
    if base.derived is None:
        raise GituneError(f"{base.ref.uri} has no GGUF file", hint="use engine: transformers")
    exported = base.derived / "gguf"
    if not exported.exists():
        from runner.models.hf_to_gguf import export_gguf

        _build(exported, lambda folder: export_gguf(base.checkpoint, folder / "model.gguf", report))
    return exported / "model.gguf"


def _find(uri: BaseUri, root: Path, file_roots: Sequence[str]) -> Path:
    match uri.scheme:
        case "pkg":
            return package_file(uri)
        case "hf":
            return hub_snapshot(uri)
        case "file":
            return local_path(uri, root, file_roots)


def _digest(uri: str, path: Path, digest: Callable[[Path], str]) -> BaseRef:
    if path.is_dir():
        files = list(checkpoint_files(path))
        return BaseRef(uri, digest_json({f.name: digest(f) for f in files}), sum(f.stat().st_size for f in files))
    if path.suffix != ".gguf":
        raise GituneError(f"{uri} is neither a .gguf file nor a checkpoint folder", hint="pickled weights are refused")
    return BaseRef(uri, digest(path), path.stat().st_size)


def _config(path: Path) -> dict[str, Any]:
    """Return a checkpoint's configuration; empty for a GGUF file."""
    file = path / "config.json"
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def _build(target: Path, write: Callable[[Path], None]) -> None:
    """Fill a folder and move it into place at once; a second process that was faster is fine too."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        write(temporary)
        # Renaming onto a folder that is not empty fails: then the same content is there already.
        with contextlib.suppress(OSError):
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if not target.exists():
        raise GituneError(f"cannot write {target}", hint="is the disk full or the cache read-only?")
