"""File names and globs of a spec -> the files they mean, sorted, all inside the repository.

Light on purpose: `plan` calls it for every spec.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from runner.errors import Location, Problem, SpecError


def source_files(patterns: Sequence[str], folder: Path, root: Path, where: Location | None = None) -> list[Path]:
    """Return the files that patterns beside a spec match, each once, sorted by path below `root`.

    Args:
        patterns: file names or globs (`*`, `**`, `?`, `[…]`) relative to `folder`.
        folder: the spec's folder.
        root: the repository; neither a pattern nor a symlink may lead out of it.
        where: the place of the patterns in the spec; by default the spec file.

    Raises:
        SpecError: with every pattern that matches no file or leads out of the repository.
    """
    real_root = root.resolve()
    place = where or Location(_shown(folder.resolve() / "spec.yaml", real_root))
    found: set[Path] = set()
    problems: list[Problem] = []
    for pattern in patterns:
        reason = _refusal(pattern)
        matches = [] if reason else [*_matches(pattern, folder)]
        outside = [path for path in matches if not path.is_relative_to(real_root)]
        if outside:
            reason = "leads out of the repository"
        elif not reason and not matches:
            reason = _why_nothing(folder / pattern)
        if reason:
            problems.append(Problem(f"{pattern!r} {reason}", place))
        found.update(path.relative_to(real_root) for path in matches if path not in outside)
    if problems:
        raise SpecError(problems)
    return [root / path for path in sorted(found, key=PurePosixPath)]


def _refusal(pattern: str) -> str:
    if "://" in pattern:
        return "is a remote dataset; only files in the repository can be read so far"
    if PurePosixPath(pattern).is_absolute():
        return "is an absolute path; name data relative to the spec"
    if not pattern.strip() or "\0" in pattern:
        return "is no file name"
    return ""


def _matches(pattern: str, folder: Path) -> Iterator[Path]:
    # Unlike Path.glob, this leaves hidden files out.
    for name in glob.glob(pattern, root_dir=folder, recursive=True):  # noqa: PTH207
        path = Path(os.path.realpath(folder / name))  # unlike Path.resolve, no exception for a loop of links
        if path.is_file():
            yield path


def _why_nothing(path: Path) -> str:
    if os.path.isdir(path):  # noqa: PTH112 - unlike Path.is_dir, no exception for a name that is too long
        return f"is a folder; write {path.name}/*.jsonl"
    return "matches no file"


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()
