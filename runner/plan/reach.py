"""Commits -> the steps that their specs ask for: what a plan at any of them would reuse.

Every different content of a spec is looked at once, however many commits share it. What follows from a training or a
dataset (answers, scores, verdicts) is found by gc itself, from what those records say they read.
"""

from __future__ import annotations

import posixpath
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.errors import GituneError, SpecError, UsageError
from runner.file_index import FileIndex
from runner.git_history import History, check_out, folders, ids, place_of
from runner.plan import keys
from runner.plan.subject import Subject, gather
from runner.progress import Progress, Report, silent
from runner.registry.facts import Step
from runner.registry.views import RegistryReader
from runner.spec.config import Config
from runner.spec.evaluation import JsonSchemaFormat
from runner.spec.load import FILE_NAME, LoadedSpec, load_spec, load_specs
from runner.spec.models import Spec


@dataclass(slots=True)
class Reach:
    """What the commits of a window lead to."""

    keys: set[tuple[Step, str]] = field(default_factory=set)
    """Preparations and trainings that their specs ask for."""
    contents: int = 0
    """Different contents of specs that were looked at."""
    names: set[str] = field(default_factory=set)
    """Specs that any commit of the repository holds, however old."""
    unreadable: list[str] = field(default_factory=list)
    """Specs of old commits that this release cannot read, with the reason."""


def reach(history: History, root: Path, config: Config, reader: RegistryReader, report: Report = silent) -> Reach:
    """Return what the specs of all recent commits ask for, and those of the working tree.

    Args:
        history: the commits.
        root: the repository.
        config: where base models may lie.
        reader: tells what a dataset came to: a training's key is made of it.
        report: told about every content of a spec.
    """
    found = Reach()
    for subject in _of_working_tree(root, config):
        found.keys.update(_keys(subject, reader))
    elsewhere = _with_root(config, root.resolve())
    contents = list(_contents(root, history.recent))
    for number, (name, commits) in enumerate(contents, 1):
        report(Progress("reading specs of the window", number, len(contents), "contents"))
        try:
            for subject in _subjects(name, commits, root, elsewhere):
                found.contents += 1
                found.keys.update(_keys(subject, reader))
        except GituneError as error:
            found.unreadable.append(f"{name} at {commits[0][:10]}: {str(error).splitlines()[0]}")
    trees = set(ids(root, [*history.recent, *history.older], "specs")) - {None}
    found.names = {name for tree in trees for name in folders(root, str(tree))}
    return found


def _of_working_tree(root: Path, config: Config) -> Iterator[Subject]:
    index = FileIndex(Path(tempfile.gettempdir()) / "gitune-no-index")
    try:
        specs = load_specs(root)
    except (SpecError, UsageError):  # half-edited; what is committed is looked at in any case
        return
    for loaded in specs:
        try:
            yield gather(loaded, config, index, scored=False)
        except SpecError:
            continue


def _with_root(config: Config, root: Path) -> Config:
    """Allow old commits to name base models that lie in the repository now, without being committed."""
    roots = [str(root), *(str((root / folder).resolve()) for folder in config.policy.file_roots)]
    return config.model_copy(update={"policy": config.policy.model_copy(update={"file_roots": roots})})


def _contents(root: Path, commits: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield every different content of a spec's folder: its name, and the commits that hold it."""
    holders: dict[str, list[str]] = {}
    for commit, tree in zip(commits, ids(root, commits, "specs"), strict=True):
        if tree is not None:
            holders.setdefault(tree, []).append(commit)
    found: dict[tuple[str, str], list[str]] = {}
    for tree, holding in holders.items():
        for name, content in folders(root, tree).items():
            found.setdefault((name, content), []).extend(holding)
    for (name, _), holding in found.items():
        yield name, holding


def _subjects(name: str, commits: Sequence[str], root: Path, config: Config) -> Iterator[Subject]:
    """Yield one content of a spec as each different surrounding of it makes it: files it reads may lie elsewhere."""
    with tempfile.TemporaryDirectory(prefix="gitune-gc-") as folder:
        loaded = _load(name, commits[0], [], root, Path(folder))
        outside = sorted(_outside(loaded.spec))
        if not outside:
            yield gather(loaded, config, FileIndex(Path(folder)), scored=False)
            return
    versions = zip(*(ids(root, commits, path) for path in outside), strict=True)
    first = {version: commit for commit, version in reversed(list(zip(commits, versions, strict=True)))}
    for version, commit in first.items():
        there = [path for path, content in zip(outside, version, strict=True) if content is not None]
        with tempfile.TemporaryDirectory(prefix="gitune-gc-") as folder:
            loaded = _load(name, commit, there, root, Path(folder))
            for path in set(outside) - set(there):
                _borrow(root / path, loaded.root / path)
            yield gather(loaded, config, FileIndex(Path(folder)), scored=False)


def _load(name: str, commit: str, outside: Sequence[str], root: Path, folder: Path) -> LoadedSpec:
    check_out(root, commit, [f"specs/{name}", *outside], folder)
    place = place_of(root, folder)
    return load_spec(place / "specs" / name / FILE_NAME, place)


def _outside(spec: Spec) -> Iterator[str]:
    """Yield the repository paths that a spec reads outside its folder, up to the first wildcard."""
    data, form = spec.dataset, spec.evaluation.output_format
    own = f"specs/{spec.name}"
    files = [*data.train, *data.validation, *data.test, spec.chat_template or ""]
    files += [form.json_schema] if isinstance(form, JsonSchemaFormat) else []
    paths = [posixpath.normpath(f"{own}/{file}") for file in files if "://" not in file]
    if spec.base_model.startswith("file://"):
        paths.append(posixpath.normpath(spec.base_model.removeprefix("file://")))
    for path in paths:
        if path == own or path.startswith(("/", "../", f"{own}/")) or not path.isprintable():
            continue
        parts = path.split("/")
        plain = next((number for number, part in enumerate(parts) if set(part) & set("*?[")), len(parts))
        yield "/".join(parts[:plain]) or "specs"


def _borrow(now: Path, then: Path) -> None:
    """Let an old commit read what lies in the repository without being committed, such as a base model."""
    if now.exists():
        then.parent.mkdir(parents=True, exist_ok=True)
        then.symlink_to(now.resolve())


def _keys(subject: Subject, reader: RegistryReader) -> Iterator[tuple[Step, str]]:
    spec, base = subject.spec, subject.base
    files = {role: list(digests.values()) for role, digests in subject.files.items()}
    prepare = keys.step_key(keys.prepare_inputs(spec, files, subject.contract))
    yield "prepare", prepare
    if (prepared := reader.record("prepare", prepare)) is not None:
        yield "train", keys.step_key(keys.train_inputs(spec, base.digest, prepared, base.chat_template))
