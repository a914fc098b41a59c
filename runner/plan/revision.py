"""Two points of a repository's history -> which specs differ between them, and those specs as they were.

    touched = find_touched(root, old, None)
    with specs_at(touched, touched.old, names) as found: ...

Only files that git says differ are looked at, so the cost grows with the change and not with the repository.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from runner import git
from runner.errors import GituneError, Problem, UsageError
from runner.evaluation.outside import command_paths, read_measures
from runner.file_index import FileIndex
from runner.models.base import resolve_base
from runner.plan.subject import Subject, digest_sources, read_chat_template, read_contract
from runner.spec.config import CONFIG_FILE, Config, load_config
from runner.spec.load import FILE_NAME, LoadedSpec, load_spec
from runner.spec.lock import load_lock
from runner.spec.yaml_file import inside

SPECS = "specs"
_LOCAL = "file://"


@dataclass(frozen=True, slots=True)
class Touched:
    """What differs between two commits, or a commit and the working tree."""

    root: Path
    """The repository."""
    old: str
    """Commit on the one side."""
    new: str | None
    """Commit on the other; None for the working tree."""
    paths: frozenset[str]
    """Every file that differs."""
    before: frozenset[str]
    """Names of all specs on the one side."""
    after: frozenset[str]
    """Names of all specs on the other."""
    names: frozenset[str]
    """Specs of either side that a difference touches."""

    @property
    def kept(self) -> list[str]:
        """Touched specs that the other side has, in order."""
        return sorted(self.names & self.after)

    @property
    def removed(self) -> list[str]:
        """Specs that only the one side has, in order."""
        return sorted(self.before - self.after)


@dataclass(frozen=True, slots=True)
class Found:
    """The specs of one side."""

    config: Config
    """Its registry/config.yaml; the defaults where that cannot be read."""
    subjects: Mapping[str, Subject]
    """Specs that could be read, by name."""
    problems: Mapping[str, str]
    """Why the others could not, by name."""


def find_commit(root: Path, ref: str) -> str:
    """Return the commit that a reference names.

    Raises:
        UsageError: when there is none here.
    """
    if (commit := git.resolve_commit(root, ref)) is None:
        raise UsageError(
            f"git knows no commit `{ref}` here", hint="`git fetch` it first; a shallow clone lacks history"
        )
    return commit


def find_base(root: Path, ref: str) -> str:
    """Return the commit where the history of HEAD left that of a reference: what a pull request starts from.

    Raises:
        UsageError: when git knows no such commit here.
    """
    head = find_commit(root, "HEAD")
    if (base := git.merge_base(root, find_commit(root, ref), head)) is None:
        raise UsageError(
            f"`{ref}` and HEAD have no common history here", hint="fetch the whole history: fetch-depth: 0"
        )
    return base


def find_touched(root: Path, old: str, new: str | None) -> Touched:
    """Find the specs that differ between two commits, or between a commit and the working tree (`new` is None)."""
    paths = frozenset(git.changed_paths(root, old, new))
    before, after = _names_at(root, old), _names_at(root, new)
    parts = (path.split("/") for path in paths)
    beside = {part[1] for part in parts if part[0] == SPECS and len(part) > 2}  # noqa: PLR2004 - specs/<name>/…
    # A folder without a spec on either side, such as specs/shared-notes/, is none of ours.
    names: frozenset[str] | set[str] = beside & (before | after)
    if CONFIG_FILE in paths or _are_programs(root, paths) or _decide_bytes(paths):
        names = before | after
    elif outside := [path for path in paths if not path.startswith(f"{SPECS}/")]:
        names = names | _on_local_bases(root, outside)
    return Touched(root, old, new, paths, before, after, frozenset(names))


@contextmanager
def specs_at(touched: Touched, commit: str, names: Collection[str]) -> Iterator[Found]:
    """Read specs as they are in a commit; their files lie in a scratch folder until the block ends."""
    with tempfile.TemporaryDirectory(prefix="gitune-") as folder:
        tree = Path(os.path.realpath(folder))
        (tree / SPECS).mkdir()
        _write(touched, commit, [CONFIG_FILE, *(f"{SPECS}/{name}" for name in sorted(names))], tree)
        try:
            config = load_config(tree)
        except GituneError:
            config = Config()
        if programs := command_paths(config):
            _write(touched, commit, programs, tree)
        index = FileIndex(tree / "index")
        subjects, problems = {}, {}
        for name in sorted(_folders(tree)):
            try:
                loaded = load_spec(tree / SPECS / name / FILE_NAME, tree)
                subjects[name] = read_subject(loaded, config, index, _base_root(loaded, touched, commit))
            except GituneError as error:
                problems[name] = _first_line(error)
        yield Found(config, subjects, problems)


def _names_at(root: Path, commit: str | None) -> frozenset[str]:
    if commit is None:
        return frozenset(_folders(root))
    paths = (PurePosixPath(path) for path in git.list_blobs(root, commit, [SPECS]))
    return frozenset(path.parts[1] for path in paths if len(path.parts) == 3 and path.name == FILE_NAME)  # noqa: PLR2004


def _folders(root: Path) -> set[str]:
    # Hidden folders are none of ours, as in `load_specs`.
    return {path.parent.name for path in (root / SPECS).glob(f"*/{FILE_NAME}") if path.parent.name[0] != "."}


def _on_local_bases(root: Path, changed: Collection[str]) -> set[str]:
    """Return the specs of the working tree whose base model lies in the repository and has a file that differs."""
    found = set()
    for file in (root / SPECS).glob(f"*/{FILE_NAME}"):
        if not inside(root, file):
            continue  # a link to a device, perhaps, that never ends; reading the spec tells of it
        for line in file.read_text(errors="replace").splitlines():
            # The line alone, not the whole spec: this is asked of every spec of the repository.
            key, _, value = line.partition(":")
            base = local_base(value.split(" #")[0].strip(" \"'"))
            if key.strip() == "base_model" and base and _any_below(base, changed):
                found.add(file.parent.name)
    return found


def _decide_bytes(changed: Collection[str]) -> bool:
    """Whether git may write other bytes now for files that it says are the same: line endings, encodings, filters."""
    return any(PurePosixPath(path).name == ".gitattributes" for path in changed)


def _are_programs(root: Path, changed: Collection[str]) -> bool:
    """Whether files of programs that score answers are among these; any spec may name one."""
    if not (root / CONFIG_FILE).is_file():
        return False
    try:
        return any(_any_below(path, changed) for path in command_paths(load_config(root)))
    except GituneError:
        return False


def local_base(uri: str) -> str | None:
    """Return the repository path of a `file://` base; None for any other."""
    return os.path.normpath(uri.removeprefix(_LOCAL)) if uri.startswith(_LOCAL) else None


def paths_of(subject: Subject) -> list[str]:
    """Return the files and folders of the repository that decide what a spec yields: a change of any may rerun it."""
    base = local_base(subject.spec.base_model)
    inside = [base] if base and not base.startswith(("/", "..")) else []
    return [f"{SPECS}/{subject.spec.name}", CONFIG_FILE, *command_paths(subject.config), *inside]


def _any_below(folder: str, paths: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for path in paths)


def _write(touched: Touched, commit: str, paths: list[str], tree: Path) -> None:
    """Write files of a commit; what the working tree has unchanged comes from there, filters (LFS) applied."""
    blobs = git.list_blobs(touched.root, commit, paths)
    taken = set()
    if touched.new is None and commit == touched.old:
        for path in blobs.keys() - touched.paths:
            if not blobs[path].is_link and _linked(touched.root / path, tree / path):
                taken.add(path)
    git.write_blobs(touched.root, {path: blob for path, blob in blobs.items() if path not in taken}, tree)


def _linked(source: Path, target: Path) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
    except OSError:
        return False
    return True


def _base_root(loaded: LoadedSpec, touched: Touched, commit: str) -> Path:
    """Return where a `file://` base is read: in the commit where it differs, else where it lies; few are in git."""
    base = local_base(loaded.spec.base_model)
    if base is None or not _any_below(base, touched.paths):
        return touched.root
    _write(touched, commit, [base], loaded.root)
    return loaded.root


def read_subject(loaded: LoadedSpec, config: Config, index: FileIndex, base_root: Path) -> Subject:
    """Gather what keys are made of. Whether the spec could be judged and served is not asked of the past.

    Args:
        loaded: a spec of some commit.
        config: the configuration that counts for it.
        index: digests of files that have not changed.
        base_root: where `file://` models are read.

    Raises:
        SpecError: when a file, pattern or pin is missing.
    """
    lock, roots = load_lock(loaded.folder), config.policy.file_roots
    base = resolve_base(loaded.spec.base_model, lock, base_root, roots, index, loaded.where("base_model"))
    return Subject(
        loaded=loaded,
        base=replace(base, chat_template=read_chat_template(loaded)),
        files=digest_sources(loaded, index.digest),
        contract=read_contract(loaded),
        config=config,
        measures=_measures(loaded, config, index, base_root),
    )


def _measures(loaded: LoadedSpec, config: Config, index: FileIndex, base_root: Path) -> Any:
    try:
        return read_measures(loaded, config, index, base_root)
    except GituneError:
        return None


def _first_line(error: GituneError) -> str:
    problems: tuple[Problem, ...] = getattr(error, "problems", ())
    return f"{problems[0].where}: {problems[0].message}" if problems else error.message
