"""What git knows about a checkout: commit, branch, changes, ancestry, old files. It never writes to the repository.

    read_checkout(root).commit

This calls the git command. Outside a repository the answers are None or empty; only a git that is missing or refuses
to answer is an error.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NamedTuple

from runner.errors import GituneError

# Set by git for its hooks; inherited, they would make every call answer for the hook's repository instead of `root`.
_HOOK_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
_FAILED = 128
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Checkout:
    """Where a working tree stands."""

    root: Path
    """The folder that was asked about."""
    commit: str | None
    """Full hash of HEAD; None outside a repository and before the first commit."""
    branch: str | None
    """Branch checked out; None outside a repository, and when HEAD is detached outside a workflow run."""


class Blob(NamedTuple):
    """A file of a commit."""

    name: str
    """Git's hash of its content."""
    is_link: bool
    """Whether the content is the target of a symbolic link."""
    is_executable: bool = False
    """Whether it may be started."""


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
    found = _git(root, "status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames", "--", *paths)
    # Asked for only then: most often nothing has changed, and every plan pays for each start of git.
    prefix = _git(root, "rev-parse", "--show-prefix") if found.stdout or found.returncode else None
    if prefix is None or prefix.returncode != 0:
        return []
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
    if answer != 1 or Past(root, newer).is_shallow():
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


def resolve_commit(root: Path, ref: str) -> str | None:
    """Return the full hash of the commit that a branch, tag or hash names; None when there is none here."""
    # Git takes a tag `origin/main` for the remote's branch, and whoever may push could make one.
    for name in (f"refs/remotes/{ref}", ref) if "/" in ref else (ref,):
        found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if found.returncode == 0:
            return found.stdout.decode().strip()
    return None


def commit_time(root: Path, commit: str) -> datetime | None:
    """Return when a commit was made, by the clock of its committer; None when it is not here."""
    found = _git(root, "show", "--no-patch", "--format=%ct", "--end-of-options", commit)
    seconds = found.stdout.strip()
    return datetime.fromtimestamp(int(seconds), UTC) if found.returncode == 0 and seconds.isdigit() else None


def merge_base(root: Path, one: str, other: str) -> str | None:
    """Return the commit that two full hashes go back to; None when their histories have nothing in common here."""
    found = _git(root, "merge-base", one, other)
    return found.stdout.decode().strip() if found.returncode == 0 else None


def changed_paths(root: Path, old: str, new: str | None) -> list[str]:
    """Return the files that differ between two commits, or between a commit and the working tree.

    Untracked files of the working tree count, ignored ones do not. A renamed file counts under both names.

    Args:
        root: A folder of the repository; the names are relative to it, and only files below it are told.
        old: Full hash of a commit.
        new: Full hash of a commit; None for the working tree.

    Raises:
        GituneError: when git cannot tell.
    """
    commits = [old] if new is None else [old, new]
    calls = [["diff", "--no-ext-diff", "--no-renames", "--relative", "--name-only", "-z", *commits, "--"]]
    if new is None:
        calls.append(["ls-files", "--others", "--exclude-standard", "-z"])
    found: set[str] = set()
    for call in calls:
        done = _git(root, *call)
        if done.returncode != 0:
            raise GituneError(
                f"git cannot compare {old[:8]} with {(new or 'the working tree')[:16]}: {_complaint(done)}"
            )
        found.update(name for name in os.fsdecode(done.stdout).split("\0") if name)
    return sorted(found)


def list_blobs(root: Path, commit: str, paths: Sequence[str]) -> dict[str, Blob]:
    """Return the files that a commit has below `paths`, all relative to `root`; submodules are left out.

    Raises:
        GituneError: when git cannot tell.
    """
    if not paths:
        return {}
    done = _git(root, "ls-tree", "-r", "-z", commit, "--", *paths)
    if done.returncode != 0:
        raise GituneError(f"git cannot list the files of {commit[:8]}: {_complaint(done)}")
    blobs = {}
    for entry in os.fsdecode(done.stdout).split("\0")[:-1]:
        facts, _, path = entry.partition("\t")
        mode, kind, name = facts.split()
        if kind == "blob":
            blobs[path] = Blob(name, mode == "120000", mode == "100755")
    return blobs


def write_blobs(root: Path, blobs: Mapping[str, Blob], folder: Path) -> None:
    """Write files of the repository below `folder`, as they are stored: no filter and no line ending is applied.

    Raises:
        GituneError: when one is missing, as in a partial clone without its server.
    """
    # Links come last, so that no file is ever written through one.
    ordered = sorted(blobs.items(), key=lambda item: item[1].is_link)
    with tempfile.TemporaryFile() as wanted:
        wanted.write(b"".join(blob.name.encode() + b"\n" for _, blob in ordered))
        wanted.seek(0)
        command = [*_command(root), "cat-file", "--batch"]
        with subprocess.Popen(
            command, env=_environment(), stdin=wanted, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None  # noqa: S101 - asked for just above
            _write_each(process.stdout, ordered, folder)


def _write_each(source: IO[bytes], ordered: Iterable[tuple[str, Blob]], folder: Path) -> None:
    for path, blob in ordered:
        header = source.readline().split()
        if len(header) != 3:  # noqa: PLR2004 - name, kind, size
            raise GituneError(f"git has no content for {path} ({blob.name[:8]})", hint="fetch the whole history first")
        target = folder / path
        if not target.resolve().is_relative_to(folder.resolve()):
            raise GituneError(f"git lists a file outside the repository: {path}")
        target.parent.mkdir(parents=True, exist_ok=True)
        size = int(header[2])
        if blob.is_link:
            target.symlink_to(os.fsdecode(source.read(size)))
        else:
            with target.open("wb") as file:
                _copy(source, file, size)
            if blob.is_executable:
                target.chmod(0o755)
        source.read(1)


def _copy(source: IO[bytes], target: IO[bytes], size: int) -> None:
    while size and (chunk := source.read(min(size, _PIECE))):
        target.write(chunk)
        size -= len(chunk)


def identity(root: Path) -> str | None:
    """Return who git says is working here, `Ada <ada@example.org>`; None when it does not know."""
    name, email = (
        _git(root, "config", f"user.{what}").stdout.decode(errors="replace").strip() for what in ("name", "email")
    )
    return f"{name} <{email}>" if name and email else name or email or None


@dataclass(frozen=True, slots=True)
class Past:
    """What a commit's history says about files that may be gone by now."""

    root: Path
    """A folder of the repository."""
    head: str
    """The commit whose history it is."""

    def holds(self, files: Sequence[tuple[str, str]]) -> list[bool]:
        """Return for each commit and path whether the commit is known here and has the file.

        Raises:
            GituneError: when git cannot tell.
        """
        # One process, however many are asked for; a line break in a name would ask for something else.
        names = [f"{commit}:./{path}" if _is_hash(commit) else "-" for commit, path in files]
        if any("\n" in name for name in names):
            raise GituneError("a file with a line break in its name cannot be looked for in git")
        given = "".join(f"{name}\n" for name in names)
        found = _git(self.root, "cat-file", "--batch-check=%(objecttype)", given=given.encode())
        lines = found.stdout.decode(errors="replace").splitlines()
        if found.returncode != 0 or len(lines) != len(files):
            raise GituneError(f"git cannot look into the history of {self.root}: {_complaint(found)}")
        return [line == "blob" for line in lines]

    def changed_by(self, path: str) -> str | None:
        """Return the last commit of this history that changed, added or removed a file."""
        found = _git(self.root, "rev-list", "--max-count=1", self.head, "--", path)
        return found.stdout.decode().strip() or None

    def is_shallow(self) -> bool:
        """Return whether this clone lacks a part of the history."""
        return _git(self.root, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true"


def _is_hash(text: str) -> bool:
    return bool(text) and not set(text) - set("0123456789abcdef")


def _workflow_branch(commit: str) -> str | None:
    """Return the branch of a GitHub workflow run, whose checkout is detached.

    Only when the run is for this very commit: under `pull_request_target` the variables name the base branch while the
    checkout may hold a stranger's commit. A tag is no branch either.
    """
    same_commit = os.environ.get("GITHUB_SHA", commit) == commit
    is_branch = os.environ.get("GITHUB_REF_TYPE", "branch") == "branch"
    return (os.environ.get("GITHUB_REF_NAME") or None) if same_commit and is_branch else None


def _command(root: Path) -> list[str]:
    # A file system monitor is a program named by the repository's own configuration: never started from here.
    return ["git", "-C", str(root), "--literal-pathspecs", "-c", "core.quotepath=off", "-c", "core.fsmonitor=false"]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in _HOOK_VARIABLES}
    return kept | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}


def _git(root: Path, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return call_git(root, arguments, given)


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
    command, environment = [*_command(root), *arguments], _environment() | dict(variables or {})
    try:
        done = subprocess.run(command, env=environment, input=feed, capture_output=True, check=False)
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
