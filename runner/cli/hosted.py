"""What differs in a job of GitHub Actions: variables that are empty, and a disk that is gone when the job ends."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from runner.errors import RegistryError

CREDENTIALS = ("AWS_", "AZURE_", "GOOGLE_", "GITUNE_APP_")


def drop_empty(environ: MutableMapping[str, str]) -> None:
    """Take away credentials that are empty: GitHub writes a secret that nobody set as an empty variable.

    A client would send them, or look no further, in place of asking the machine for its own identity.
    """
    for name in [name for name, value in environ.items() if not value and name.startswith(CREDENTIALS)]:
        del environ[name]


def require_shared_store(url: str, root: Path, environ: MutableMapping[str, str]) -> None:
    """Refuse a store that a job of GitHub Actions would lose, or that a pull request could reach into.

    Args:
        url: `store` of registry/config.yaml.
        root: the repository.
        environ: the job's environment; outside of GitHub Actions every store will do.

    Raises:
        RegistryError: when it is a folder of a hosted runner, or lies in the checkout.
    """
    if environ.get("GITHUB_ACTIONS") != "true" or not _is_folder(url):
        return
    folder = (root / unquote(urlsplit(url).path if url.startswith("file://") else url)).resolve()
    workspace = environ.get("GITHUB_WORKSPACE")
    inside = any(folder.is_relative_to(Path(place).resolve()) for place in (workspace, root) if place)
    if environ.get("RUNNER_ENVIRONMENT") == "self-hosted" and not inside:
        return
    why = "lies in the checkout, which the next job replaces" if inside else "is gone when this job ends"
    raise RegistryError(
        f"the store {url} is a folder, and it {why}",
        hint="set `store` in registry/config.yaml to a bucket (s3://, gs://, az://), or to a folder outside of the "
        "checkout of a self-hosted runner",
    )


def _is_folder(url: str) -> bool:
    return "://" not in url or url.startswith("file://")
