"""Commits of a repository and the files they hold, many at a time: `read_history`, `commits_of`, `ids`, `check_out`.

It asks git once for all commits, not once for each, and writes nothing into the repository: files of old commits go
to a folder and an index of the caller's own.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import GituneError, UsageError
from runner.git import call_git, resolve_commit

_NO_FILTERS = {"GIT_LFS_SKIP_SMUDGE": "1"}


@dataclass(frozen=True, slots=True)
class History:
    """The commits that any branch, tag, remote branch or other ref of a repository leads to."""

    recent: list[str]
    """Those of the window, what stood at its beginning, and every ref's own, however old."""
    older: list[str]
    """The others."""


def read_history(root: Path, since: float) -> History:
    """Return all commits, told apart by a point in time.

    Args:
        root: a folder of the repository.
        since: seconds since 1970; a commit counts by the date of its committer.

    Raises:
        UsageError: outside a repository, and in a shallow clone, which does not know what is older.
        GituneError: when git cannot tell.
    """
    shallow = call_git(root, ["rev-parse", "--is-shallow-repository"])
    if shallow.returncode != 0:
        raise UsageError(f"{root} is in no git repository", hint="run it in the repository whose specs use this store")
    if shallow.stdout.strip() == b"true":
        raise UsageError(
            f"{root} is a shallow clone: what older commits need cannot be told", hint="git fetch --unshallow"
        )
    # A ref to a tag names the tag itself and the commit behind it.
    refs = call_git(root, ["for-each-ref", "--format=%(objectname) %(*objectname)"]).stdout.decode().split()
    head = call_git(root, ["rev-parse", "--verify", "--quiet", "HEAD"]).stdout.decode().split()
    tips = {*refs, *head}
    commits: dict[str, tuple[int, list[str]]] = {}
    for line in _log(root, head) if tips else []:
        commit, when, *parents = line.split()
        commits[commit] = (int(when), parents)
    inside = {commit for commit, (when, _) in commits.items() if when >= since}
    before = {parent for commit in inside for parent in commits[commit][1]}
    kept = inside | before | tips
    return History([c for c in commits if c in kept], [c for c in commits if c not in kept])


def commits_of(root: Path, since: str | None, paths: Sequence[str], most: int) -> list[str]:
    """Return the commits in HEAD's history that changed any of some paths, the newest first.

    Args:
        root: A folder of the repository.
        since: Commit that they are not in the history of; None, or one that is not here: all.
        paths: Files or folders, relative to `root`.
        most: How many at most.

    Raises:
        GituneError: when git cannot tell.
    """
    known = since is not None and resolve_commit(root, since) is not None
    span = f"{since}..HEAD" if known else "HEAD"
    # Merges too: who changed nothing but merged is what GitHub knows a pull request by.
    options = ("--format=%H", "--full-history", "--first-parent", f"--max-count={most}", span)
    if (done := call_git(root, ["--literal-pathspecs", "log", *options, "--", *paths])).returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise GituneError(f"git cannot list the commits of {', '.join(paths)}: {said}")
    return done.stdout.decode().split()


def ids(root: Path, commits: Iterable[str], path: str) -> list[str | None]:
    """Return the id of a file's or folder's content in each commit; None where it is not there."""
    feed = "".join(f"{commit}:{_whereabouts(root)[1]}{path}\n" for commit in commits)
    done = call_git(root, ["cat-file", "--batch-check=%(objectname)"], feed.encode())
    lines = done.stdout.decode(errors="replace").splitlines()
    return [None if line.endswith(" missing") else line for line in lines]


def folders(root: Path, tree: str) -> dict[str, str]:
    """Return the folders of a tree by name, with their ids."""
    listed = call_git(root, ["ls-tree", "-z", tree]).stdout
    entries = [os.fsdecode(line).split("\t", 1) for line in listed.split(b"\0") if line]
    return {name: about.split()[2] for about, name in entries if about.split()[1] == "tree"}


def check_out(root: Path, commit: str, paths: Sequence[str], target: Path, *, filters: bool = False) -> None:
    """Write files of a commit below `target`, as a checkout would, by their paths in the repository's `root`.

    Args:
        root: a folder of the repository.
        commit: which commit.
        paths: what to write.
        target: an existing folder.
        filters: whether files that are kept elsewhere (Git LFS) are fetched from there.

    Raises:
        GituneError: when they are not there.
    """
    git, prefix = _whereabouts(root)
    index = target / ".index"
    skipped = {} if filters else _NO_FILTERS
    variables = {**skipped, "GIT_INDEX_FILE": str(index), "GIT_WORK_TREE": str(target), "GIT_DIR": git}
    command = ["-c", "core.hooksPath=/dev/null", "checkout", "--quiet", commit, "--"]
    done = call_git(target, [*command, *(f"{prefix}{path}" for path in paths)], variables=variables)
    index.unlink(missing_ok=True)
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip().splitlines()[:1]
        raise GituneError(f"git cannot give {', '.join(paths)} of {commit[:12]}: {''.join(reason)}")


def place_of(root: Path, target: Path) -> Path:
    """Return where `root` lies below a folder that `check_out` wrote to."""
    return target / _whereabouts(root)[1]


@functools.cache
def _whereabouts(root: Path) -> tuple[str, str]:
    """Return the repository's own folder, and where `root` lies in its working tree."""
    done = call_git(root, ["rev-parse", "--absolute-git-dir", "--show-prefix"])
    git, prefix, *_ = (*os.fsdecode(done.stdout).split("\n"), "", "")
    return git, prefix


def _log(root: Path, head: Sequence[str]) -> list[str]:
    done = call_git(root, ["log", "--all", *head, "--format=%H %ct %P"])
    if done.returncode != 0:
        raise GituneError(f"git cannot list the commits of {root}: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout.decode(errors="replace").splitlines()
