"""The registry's snapshot as a branch of its own: one commit without a past, one file, read by plans of forks."""

from __future__ import annotations

import base64
import gzip
import tempfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from runner.github.connection import github_errors, status_of
from runner.registry.snapshot import facts_of, write_snapshot
from runner.registry.store import Store

if TYPE_CHECKING:
    from github.Repository import Repository

BRANCH, SNAPSHOT = "gitune/registry", "registry.json.gz"


_RACES = 5
"""Times that the registry may have gone on meanwhile; whoever wrote there publishes too."""


def publish_registry(repository: Repository, store: Store) -> bool:
    """Publish what a store knows; return whether that differs from what was published.

    A job that read the store earlier may publish later than one that read more of it. So each looks at the store once
    more after it has published, and publishes again where something came: whoever is last has seen everything.

    Raises:
        GituneError: when GitHub refuses.
        RegistryError: when the store cannot be read.
        TransientError: when either cannot be reached.
    """
    moved = False
    for _ in range(_RACES):
        before = facts_of(store)
        with tempfile.TemporaryDirectory(prefix="gitune-snapshot-") as folder:
            file = Path(folder) / SNAPSHOT
            write_snapshot(store, file)
            moved |= publish_snapshot(repository, file.read_bytes())
        if facts_of(store) == before:
            break
    return moved


def publish_snapshot(repository: Repository, data: bytes) -> bool:
    """Move the branch to a commit with this snapshot; return False where the one that is there says the same.

    Raises:
        GituneError: when GitHub refuses.
    """
    from github import GithubException, InputGitTreeElement

    with github_errors(f"publishing {SNAPSHOT} on {BRANCH}"):
        if _facts(_published(repository)) == _facts(data):
            return False
        blob = repository.create_git_blob(base64.b64encode(data).decode(), "base64")
        tree = repository.create_git_tree([InputGitTreeElement(SNAPSHOT, "100644", "blob", sha=blob.sha)])
        commit = repository.create_git_commit("Publish what the registry knows", tree, [])
        try:
            repository.get_git_ref(f"heads/{BRANCH}").edit(commit.sha, force=True)
        except GithubException as error:
            if status_of(error) != 404:  # noqa: PLR2004 - HTTP: there is no such branch yet
                raise
            repository.create_git_ref(f"refs/heads/{BRANCH}", commit.sha)
    return True


def _published(repository: Repository) -> bytes:
    from github import GithubException

    try:
        # By its SHA: a slash in a branch's name would be read as part of the path.
        tree = repository.get_git_tree(repository.get_git_ref(f"heads/{BRANCH}").object.sha)
    except GithubException as error:
        if status_of(error) not in (404, 409, 422):
            raise
        return b""
    sha = next((entry.sha for entry in tree.tree if entry.path == SNAPSHOT), None)
    return base64.b64decode(repository.get_git_blob(sha).content) if sha else b""


def _facts(packed: bytes) -> bytes:
    """Return a snapshot without its first line, which says when it was made."""
    try:
        return gzip.decompress(packed).partition(b"\n")[2]
    except (OSError, EOFError, zlib.error):
        return b""  # damaged: it is replaced
