"""Files beside a repository, checked as one -> moved into it: all of them or none, and never over anything there.

with scratch_beside(target) as scratch: write(scratch, files); …check…; moved, kept = move_into(scratch, target)
"""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from runner.errors import UsageError


@contextmanager
def scratch_beside(target: Path) -> Iterator[Path]:
    """Give a folder on the disk of `target`, so that files move from there in an instant."""
    near = next(folder for folder in (target, *target.parents) if folder.is_dir())
    scratch = Path(tempfile.mkdtemp(prefix=".gitune-init-", dir=near))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch)


def write(folder: Path, files: Mapping[str, str | Path]) -> None:
    """Write texts and copy files, by their relative paths."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            shutil.copyfile(content, path)
        else:
            path.write_text(content, encoding="utf-8", newline="\n")


def refuse_conflicts(scratch: Path, target: Path, below: str) -> None:
    """Refuse where a file below a folder is there with other content.

    Raises:
        UsageError: with the first such file.
    """
    for path in _files(scratch / below):
        name = path.relative_to(scratch)
        there = target / name
        if os.path.lexists(there) and not (there.is_file() and filecmp.cmp(path, there, shallow=False)):
            raise UsageError(
                f"{name} is there already, with other content", hint="move it away, or give another --name"
            )


def move_into(scratch: Path, target: Path) -> tuple[list[str], list[str]]:
    """Move every file to its place; one that is there stays as it is.

    Returns:
        The relative paths of what was moved, and of what was there.

    Raises:
        OSError: when a file cannot be moved; then none is.
    """
    moved: list[Path] = []
    made: list[Path] = []
    kept: list[str] = []
    try:
        for path in sorted(_files(scratch)):
            place = target / path.relative_to(scratch)
            if os.path.lexists(place):
                kept.append(path.relative_to(scratch).as_posix())
                continue
            made += _make_folders(place.parent)
            path.rename(place)
            moved.append(place)
    except OSError:
        for place in moved:
            place.unlink()
        for folder in reversed(made):
            folder.rmdir()
        raise
    return [place.relative_to(target).as_posix() for place in moved], kept


def ignore(target: Path, paths: Iterable[str]) -> list[str]:
    """Add what is missing to .gitignore and return it."""
    file = target / ".gitignore"
    old = file.read_text(encoding="utf-8") if file.exists() else ""
    missing = [path for path in paths if path not in old.splitlines() and f"/{path}" not in old.splitlines()]
    if missing:
        start = old if not old or old.endswith("\n") else old + "\n"
        file.write_text(start + "".join(f"{path}\n" for path in missing), encoding="utf-8", newline="\n")
    return missing


def repository_of(target: Path) -> Path | None:
    """Return the root of the git repository that a folder lies in."""
    found = _git(target, "rev-parse", "--show-toplevel")
    return Path(found.stdout.strip()) if found.returncode == 0 else None


def make_repository(target: Path) -> None:
    """Make a folder a git repository with the branch main; nothing is committed.

    Raises:
        UsageError: when git cannot.
    """
    made = _git(target, "init", "--quiet", "--initial-branch", "main")
    if made.returncode != 0:
        raise UsageError(f"git init failed: {made.stderr.strip()}", hint="the files are written; run it yourself")


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Variables that git sets for its hooks would make it answer for another repository.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        return subprocess.run(
            ["git", *arguments], cwd=folder, env=plain, capture_output=True, text=True, check=False, errors="replace"
        )
    except FileNotFoundError as error:
        raise UsageError("git is not installed", hint="install git, then run this again") from error


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.is_dir() else []


def _make_folders(folder: Path) -> list[Path]:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir()
    return [*reversed(missing)]
