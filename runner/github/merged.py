"""Commits -> the pull requests that brought them, however those were merged: by merge commit, squash or rebase."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from runner.github.connection import github_errors

if TYPE_CHECKING:
    from github.Repository import Repository


def merged_by(repository: Repository, commits: Iterable[str], branch: str) -> list[int]:
    """Return the numbers of the pull requests that were merged into a branch with these commits, the newest first.

    Raises:
        GituneError: when GitHub refuses.
    """
    found: set[int] = set()
    with github_errors("asking which pull requests were merged"):
        for commit in commits:
            pulls = repository.get_commit(commit).get_pulls()
            found |= {pull.number for pull in pulls if pull.merged_at is not None and pull.base.ref == branch}
    return sorted(found, reverse=True)
