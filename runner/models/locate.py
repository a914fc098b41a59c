"""Base model URI -> the file or folder it means; only `hub_snapshot` may download.

`pkg://PACKAGE/FILE.gguf` lies in an installed Python package, `file://PATH` in the repository or under a root that the
policy allows, `hf://ORG/NAME@COMMIT` in the Hugging Face cache.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from runner.errors import GituneError

HUB_PATTERNS = ("*.safetensors", "*.json", "*.jinja", "merges.txt", "vocab.txt", "tokenizer.model")
"""Files of a checkpoint that decide how it answers; everything else in its folder is ignored, pickles above all."""

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


class BaseUri(NamedTuple):
    """A parsed `base_model`."""

    scheme: Literal["pkg", "hf", "file"]
    name: str
    """Package, `ORG/NAME`, or empty for file://."""
    rest: str
    """File in the package, commit, or path."""


def parse_uri(uri: str) -> BaseUri:
    """Take a URI apart.

    Raises:
        GituneError: when it has none of the three forms.
    """
    if match := re.fullmatch(r"pkg://([A-Za-z_]\w*)/(.+)", uri):
        if ".." in PurePosixPath(match[2]).parts:
            raise GituneError(f"{uri} leaves its package")
        return BaseUri("pkg", match[1], match[2])
    if match := re.fullmatch(r"hf://([\w.-]+/[\w.-]+)@([0-9a-f]{40})", uri):
        return BaseUri("hf", match[1], match[2])
    if uri.startswith("hf://"):
        raise GituneError(
            f"{uri} does not name one commit, so what it means could change",
            hint="write hf://ORG/NAME@COMMIT with the 40 hex digits shown under Files, History on the model's page",
        )
    if uri.startswith("file://") and len(uri) > len("file://"):
        return BaseUri("file", "", uri.removeprefix("file://"))
    raise GituneError(
        f"{uri} is not a base model that a local backend can read",
        hint="use pkg://PACKAGE/FILE.gguf, hf://ORG/NAME@COMMIT or file://DIR",
    )


def package_file(uri: BaseUri) -> Path:
    """Return a file or a checkpoint's folder of an installed package, found without importing the package."""
    spec = importlib.util.find_spec(uri.name)
    folders = list(spec.submodule_search_locations or []) if spec else []
    if not folders:
        raise GituneError(
            f"Python package {uri.name} is not installed", hint=f"pip install {uri.name.replace('_', '-')}"
        )
    for folder in folders:
        if (path := Path(folder) / uri.rest).exists():
            return path
    raise GituneError(f"Python package {uri.name} has no file {uri.rest}", hint=f"it lies in {folders[0]}")


def package_is_here(uri: BaseUri) -> bool:
    """Return whether the package that a model comes with is installed on this machine."""
    return importlib.util.find_spec(uri.name) is not None


def local_path(uri: BaseUri, root: Path, file_roots: Sequence[str]) -> Path:
    """Return the path of a file:// base: inside the repository or one of the policy's roots, links followed."""
    path = (root / uri.rest).resolve()
    allowed = [root.resolve(), *((root / folder).resolve() for folder in file_roots)]
    if not any(path.is_relative_to(folder) for folder in allowed):
        raise GituneError(
            f"file://{uri.rest} lies outside the repository and outside policy.file_roots",
            hint="move it, or have its folder added to policy.file_roots in registry/config.yaml",
        )
    if not path.exists():
        raise GituneError(f"file://{uri.rest} does not exist", hint=f"looked for {path}")
    return path


def hub_snapshot(uri: BaseUri) -> Path:
    """Return the checkpoint's folder in the Hugging Face cache, downloading what is not there yet.

    HF_ENDPOINT, HF_HOME, HF_HUB_OFFLINE and HF_TOKEN work as they do everywhere.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise GituneError("hf:// needs huggingface_hub", hint="pip install 'gitune[local]'") from error
    try:
        return Path(snapshot_download(uri.name, revision=uri.rest, allow_patterns=list(HUB_PATTERNS)))
    except (OSError, ValueError) as error:
        raise _not_downloaded(uri, error) from error


def _not_downloaded(uri: BaseUri, error: Exception) -> GituneError:
    """Say why the hub gave nothing; the library may tell a refusal only as the cause of a file that is missing."""
    statuses = [getattr(getattr(e, "response", None), "status_code", None) for e in (error, error.__cause__)]
    if 401 in statuses or 403 in statuses:  # noqa: PLR2004 - HTTP's numbers for "who are you" and "not you"
        return GituneError(
            f"the hub refuses hf://{uri.name}: it is gated or private, or there is no such model",
            hint="ask for access on the model's page, then set HF_TOKEN to a token of that account",
        )
    reason = str(error).strip().splitlines()[0]
    return GituneError(
        f"hf://{uri.name}@{uri.rest} is not in the local cache and cannot be downloaded: {reason}",
        hint="unset HF_HUB_OFFLINE, or run `hf download` where there is a network and copy HF_HOME",
    )


def checkpoint_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a checkpoint folder that decide how it answers, sorted.

    Raises:
        GituneError: when it has no safetensors weights.
    """
    files = sorted({path for pattern in HUB_PATTERNS for path in folder.glob(pattern) if path.is_file()})
    if not any(path.suffix == ".safetensors" for path in files):
        pickles = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLES)
        raise GituneError(
            f"{folder} has no *.safetensors weights" + (f", and {pickles[0]} is a pickle" if pickles else ""),
            hint="a pickle runs code when it is loaded; convert it: model.save_pretrained(folder)",
        )
    yield from files
