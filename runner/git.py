"""What git knows about a checkout: commit, branch, uncommitted changes, ancestry, old files. It never writes.

    read_checkout(root).commit

This calls the git command. Outside a repository the answers are None or empty; only a git that is missing or refuses
to answer is an error.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import GituneError

# Set by git for its hooks; inherited, they would make every call answer for the hook's repository instead of `root`.
_HOOK_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
_FAILED = 128


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where a working tree stands."""

    root: Path
    """The folder that was asked about."""
    commit: str | None
    """Full hash of HEAD; None outside a repository and before the first commit."""
    branch: str | None
    """Branch checked out; None outside a repository, and when HEAD is detached outside a workflow run."""


def read_checkout(root: Path) -> Checkout:
    """Read commit and branch of the repository that `root` lies in.

    Raises:
        GituneError: when git is missing or refuses the repository.
    """
    head = _git(root, "rev-parse", "HEAD", "--abbrev-ref", "HEAD")
    if head.returncode == 0:
        commit, branch = head.stdout.decode().split()
        return Checkout(root, commit, _workflow_branch(commit) if branch == "HEAD" else branch)
    unborn = _git(root, "symbolic-ref", "--quiet", "--short", "HEAD")
    return Checkout(root, None, unborn.stdout.decode().strip() or None)


def dirty(root: Path, paths: Sequence[str]) -> list[str]:
    """Return the files below `paths` that differ from HEAD or are untracked, but not ignored; relative to `root`.

    Args:
        root: A folder of a working tree; outside one nothing is dirty.
        paths: Files and folders relative to `root`, taken literally.

    Raises:
        GituneError: when git is missing or cannot tell.
    """
    if not paths:
        return []
    prefix = _git(root, "rev-parse", "--show-prefix")
    if prefix.returncode != 0:
        return []
    found = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--", *paths)
    if found.returncode != 0:
        raise GituneError(f"git cannot tell what has changed below {root}: {_complaint(found)}")
    lines = [line for line in os.fsdecode(found.stdout).split("\0") if line]
    top = os.fsdecode(prefix.stdout).removesuffix("\n")  # names come relative to the top of the working tree
    return [os.path.relpath(line[3:], top or ".") for line in lines]


def is_ancestor(root: Path, older: str, newer: str) -> bool | None:
    """Return whether `newer` descends from (or is) `older`; None when that cannot be known.

    It cannot be known when a commit is not here, and when a shallow clone lacks the history between them.
    """
    if older.startswith("-") or newer.startswith("-"):
        return None
    answer = _git(root, "merge-base", "--is-ancestor", older, newer).returncode
    if answer == 0:
        return True
    if answer != 1 or _git(root, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true":
        return None
    return False


def show(root: Path, commit: str, path: str) -> bytes | None:
    """Return a file's bytes as of a commit, or None when the commit or the file is not there.

    Args:
        root: A folder of the repository.
        commit: A commit, branch or tag.
        path: The file, relative to `root`.
    """
    if commit.startswith("-"):
        return None
    found = _git(root, "cat-file", "blob", f"{commit}:./{path}")
    return found.stdout if found.returncode == 0 else None


def _workflow_branch(commit: str) -> str | None:
    """Return the branch of a GitHub workflow run, whose checkout is detached.

    Only when the run is for this very commit: under `pull_request_target` the variables name the base branch while the
    checkout may hold a stranger's commit. A tag is no branch either.
    """
    same_commit = os.environ.get("GITHUB_SHA", commit) == commit
    is_branch = os.environ.get("GITHUB_REF_TYPE", "branch") == "branch"
    return (os.environ.get("GITHUB_REF_NAME") or None) if same_commit and is_branch else None


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return call_git(root, arguments)


def call_git(
    root: Path, arguments: Sequence[str], feed: bytes = b"", variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Call git in a folder and return how it ended; for `git_history`.

    Args:
        root: where.
        arguments: what follows `git` and the options that every call has.
        feed: what git reads from its stdin.
        variables: additions to the environment.

    Raises:
        GituneError: when git is missing or refuses the repository.
    """
    # A file system monitor is a program named by the repository's own configuration: never started from here.
    command = ["git", "-C", str(root), "--literal-pathspecs", "-c", "core.quotepath=off", "-c", "core.fsmonitor=false"]
    environment = {name: value for name, value in os.environ.items() if name not in _HOOK_VARIABLES}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", **(variables or {})}
    try:
        done = subprocess.run([*command, *arguments], env=environment, input=feed, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise GituneError("git is not installed", hint="Install git and put it on the PATH.") from error
    # Git not looking at all must not be taken for "there is no such commit".
    if done.returncode == _FAILED and "dubious ownership" in _complaint(done):
        raise GituneError(
            f"git does not read {root}, which belongs to somebody else",
            hint=f"If you trust it: git config --global --add safe.directory {root}",
        )
    return done


def _complaint(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the first line of what git wrote to stderr."""
    lines = done.stderr.decode(errors="replace").splitlines()
    return lines[0].removeprefix("fatal: ") if lines else f"exit code {done.returncode}"
