"""Commits and branches made beside the working tree: neither it nor the index is touched.

    commit = restore_folder(root, parent, source, "specs/bot", message, who)
    point_branch(root, "gitune/rollback-bot-1.0.0", commit, None)
    push_branch(root, "gitune/rollback-bot-1.0.0", commit, None, {})

Only objects, one branch of our own and its remote counterpart are ever written.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from runner.errors import ConflictError, GituneError
from runner.git import call_git, resolve_commit

REMOTE = "origin"

_NOWHERE = "0" * 40
_ABSENT = 2  # what `ls-remote --exit-code` ends with where there is no such branch


def restore_folder(root: Path, parent: str, source: str, folder: str, message: str, who: str) -> str:
    """Make a commit in which a folder is exactly as another commit has it; files added since are gone.

    Args:
        root: the repository.
        parent: the commit that it follows, and has everything else from.
        source: the commit that has the folder.
        folder: its path below `root`.
        message: what the commit says.
        who: author where git knows no identity here, `Ada <ada@example.org>` or a login.

    Returns:
        The commit's hash. No branch leads to it yet.

    Raises:
        GituneError: when git cannot make it.
    """
    place = _run(root, "rev-parse", "--show-prefix").strip() + folder
    with tempfile.TemporaryDirectory(prefix="gitune-index-") as scratch:
        index = {"GIT_INDEX_FILE": f"{scratch}/index"}
        _run(root, "read-tree", parent, variables=index)
        present = _run(root, "ls-files", "-z", "--full-name", "--", folder, variables=index)
        gone = "".join(f"0 {_NOWHERE}\t{path}\0" for path in present.split("\0") if path)
        _run(root, "update-index", "-z", "--index-info", feed=gone, variables=index)
        _run(root, "read-tree", f"--prefix={place}/", f"{source}:{place}", variables=index)
        tree = _run(root, "write-tree", variables=index).strip()
    signed = _author(root, who)
    return _run(root, "commit-tree", tree, "-p", parent, "-F", "-", feed=message, variables=signed).strip()


def point_branch(root: Path, branch: str, commit: str, expected: str | None) -> None:
    """Have a branch lead to a commit.

    Args:
        root: the repository.
        branch: its name.
        commit: where it leads from now on.
        expected: where it leads now; None: it does not exist.

    Raises:
        ConflictError: when it leads elsewhere by now, or is checked out somewhere.
    """
    worktrees = _run(root, "worktree", "list", "--porcelain")
    if f"branch refs/heads/{branch}" in worktrees.splitlines() and expected != commit:
        raise ConflictError(f"the branch {branch} is checked out", hint="switch to another branch first")
    done = call_git(root, ["update-ref", f"refs/heads/{branch}", commit, expected or _NOWHERE])
    if done.returncode != 0:
        raise ConflictError(f"the branch {branch} was moved meanwhile", hint="try again")


def message_of(root: Path, commit: str) -> str:
    """Return a commit's message."""
    return _run(root, "log", "-1", "--format=%B", commit)


def parents_of(root: Path, commit: str) -> list[str]:
    """Return the commits that a commit follows."""
    return _run(root, "log", "-1", "--format=%P", commit).split()


def remote_url(root: Path) -> str:
    """Return where `origin` is; empty where the repository has no such remote."""
    return os.fsdecode(call_git(root, ["remote", "get-url", "--push", REMOTE]).stdout).strip()


def remote_tip(root: Path, branch: str) -> str | None:
    """Return where a branch of the remote led when it was fetched last; None when it was never seen."""
    return resolve_commit(root, f"refs/remotes/{REMOTE}/{branch}")


def fetch_branch(root: Path, branch: str, variables: Mapping[str, str]) -> str | None:
    """Return where a branch of the remote leads now, with its commits fetched; None when the remote has none.

    Args:
        root: the repository.
        branch: its name.
        variables: additions to git's environment, such as credentials.

    Raises:
        GituneError: when the remote cannot be reached.
    """
    ref, quiet = f"refs/heads/{branch}", {"GIT_TERMINAL_PROMPT": "0", **variables}
    found = call_git(root, ["ls-remote", "--exit-code", REMOTE, ref], variables=quiet)
    if found.returncode == _ABSENT:
        return None
    if found.returncode == 0:
        tracked = f"+{ref}:refs/remotes/{REMOTE}/{branch}"
        found = call_git(root, ["fetch", "--quiet", "--no-tags", REMOTE, tracked], variables=quiet)
    if found.returncode != 0:
        raise GituneError(f"{REMOTE} gives no {branch}: {_last_words(found.stderr)}", hint=_ACCESS)
    return remote_tip(root, branch)


def push_branch(root: Path, branch: str, commit: str, seen: str | None, variables: Mapping[str, str]) -> None:
    """Have a branch of the remote lead to a commit, unless somebody moved it since it was seen.

    Args:
        root: the repository.
        branch: its name.
        commit: where it leads from now on.
        seen: where it led; None: the remote had none.
        variables: additions to git's environment, such as credentials.

    Raises:
        GituneError: when the remote refuses.
    """
    lease = f"--force-with-lease=refs/heads/{branch}:{seen or ''}"
    # A hook of the repository is a program that it names itself: never started from here.
    call = ["-c", "core.hooksPath=/dev/null", "push", "--quiet", lease, REMOTE, f"{commit}:refs/heads/{branch}"]
    done = call_git(root, call, variables={"GIT_TERMINAL_PROMPT": "0", **variables})
    if done.returncode != 0:
        raise GituneError(f"{REMOTE} does not take {branch}: {_last_words(done.stderr)}", hint=_ACCESS)


_ACCESS = f"see that {REMOTE} can be reached and that you may push to it"


def _run(root: Path, *arguments: str, feed: str = "", variables: Mapping[str, str] | None = None) -> str:
    done = call_git(root, arguments, os.fsencode(feed), variables)
    if done.returncode != 0:
        raise GituneError(f"git {arguments[0]} failed: {_last_words(done.stderr)}")
    return os.fsdecode(done.stdout)


def _author(root: Path, who: str) -> dict[str, str]:
    """Return variables that name an author where git knows none, as on a runner of CI."""
    known = [call_git(root, ["-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT"]) for role in _ROLES]
    if all(done.returncode == 0 for done in known):
        return {}
    name, _, email = who.rstrip(">").partition(" <")
    # GitHub's form for a login, which shows it beside the commit.
    email = email or f"{re.sub(r'[^A-Za-z0-9-]+', '-', name)}@users.noreply.github.com"
    return {f"GIT_{role}_{what}": value for role in _ROLES for what, value in (("NAME", name), ("EMAIL", email))}


_ROLES = ("AUTHOR", "COMMITTER")


def _last_words(stderr: bytes) -> str:
    """Return what git said last, without the password of a URL."""
    lines = [line for line in stderr.decode(errors="replace").splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith(("fatal:", "error:", " ! "))), lines[-1] if lines else "")
    return re.sub(r"//[^/@\s]+@", "//***@", said.removeprefix("fatal: ").removeprefix("error: ").strip()) or "no reason"
