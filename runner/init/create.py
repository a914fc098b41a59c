"""A wish -> a repository in which `gitune plan` works: proposed, checked as a whole, then moved into place.

created = create(Wish(folder, sample, name, base_model, store))
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.contract.contract import build_contract
from runner.data.findings import Finding
from runner.data.prepare import prepare
from runner.errors import DataError, Location, Problem, SpecError, UsageError
from runner.init import base_model as base
from runner.init.layout import ignored_paths, layout_files
from runner.init.place import ignore, make_repository, move_into, refuse_conflicts, repository_of, scratch_beside, write
from runner.init.proposal import Proposal, propose
from runner.init.sample import Sample
from runner.init.setting import Settings
from runner.plan.floors import undercuts
from runner.spec.config import CONFIG_FILE, Config, load_config, parse_config
from runner.spec.load import load_spec
from runner.spec.lock import write_lock
from runner.spec.section import NAME

_NAMELESS = ("all", "data", "dataset", "examples", "rows", "train", "training")


@dataclass(frozen=True, slots=True)
class Wish:
    """What the person asks for."""

    folder: Path
    """The repository that is to be."""
    store: str | None
    """Where results are kept; None: as it is set there already."""
    github: bool = True
    """Whether workflows are wanted."""
    sample: Sample | None = None
    """Rows of the first spec; None: no spec."""
    name: str = ""
    """Name of that spec."""
    base_model: str = ""
    """URI of its base model."""
    carried: Settings = field(default_factory=dict)
    """Settings that come from another tool."""


@dataclass(frozen=True, slots=True)
class Created:
    """What was made."""

    written: list[str]
    """Files, relative to the repository."""
    kept: list[str]
    """Files that were there and stay as they were."""
    proposal: Proposal | None
    """The first spec."""
    remarks: list[str]
    """What the person had better look at."""
    began: bool
    """Whether git was not there before."""


def default_name(paths: Sequence[Path], folder: Path) -> str:
    """Propose a spec's name: that of the data, or of the folder where data is called what all data is called."""
    for text in (paths[0].stem if len(paths) == 1 else "", folder.resolve().name, paths[0].resolve().parent.name):
        name = re.sub(r"[^a-z0-9]+", "-", text.lower())[:60].strip("-")
        if name and name not in _NAMELESS:
            return name
    return "my-model"


def has_config(folder: Path) -> bool:
    """Return whether a folder says already where results are kept."""
    return (folder / CONFIG_FILE).exists()


def check_name(name: str, folder: Path) -> None:
    """Refuse a name that no spec can have, or that one has.

    Raises:
        UsageError: with what to do.
    """
    if not re.fullmatch(NAME, name):
        raise UsageError(
            f"{name!r} is no name of a spec", hint="lowercase letters, digits and inner hyphens, at most 63"
        )
    if (folder / "specs" / name / "spec.yaml").exists():
        raise UsageError(f"there is a spec specs/{name} already", hint="give another --name")


def create(wish: Wish) -> Created:
    """Make or complete a repository; everything is checked before the first file is moved.

    Raises:
        UsageError: when something is asked for that cannot be.
        DataError: with every error in the data.
        SpecError: when the settings of the repository refuse the proposed spec.
    """
    folder = wish.folder.resolve()
    empty = not folder.is_dir() or not any(folder.iterdir())
    files = layout_files(folder.name, wish.store or "", github=wish.github, readme=empty)
    config = _config(folder, files)
    proposal, remarks = _proposal(wish, folder, config)
    with scratch_beside(folder) as scratch:
        write(scratch, files)
        if wish.sample is not None and proposal is not None:
            remarks += _fill(scratch, proposal, wish.sample, folder, config)
            refuse_conflicts(scratch, folder, f"specs/{proposal.name}")
        elif not (folder / "specs").is_dir():
            write(scratch, {"specs/.gitkeep": ""})
        written, kept = move_into(scratch, folder)
    if ignore(folder, ignored_paths(config.store)):
        written.append(".gitignore")
    began = (root := repository_of(folder)) is None
    if began:
        make_repository(folder)
    elif wish.github and root != folder:
        remarks.append(
            f"GitHub reads workflows only from the top of a repository, which is {root}: move .github/ there"
        )
    return Created(written, kept, proposal, remarks, began)


def _config(folder: Path, files: dict[str, str]) -> Config:
    if has_config(folder):
        return load_config(folder)
    return parse_config(files[CONFIG_FILE].encode(), CONFIG_FILE)


def _proposal(wish: Wish, folder: Path, config: Config) -> tuple[Proposal | None, list[str]]:
    if wish.sample is None:
        return None, []
    check_name(wish.name, folder)
    base.check_base_model(wish.base_model, folder, config)
    proposal = propose(wish.sample, wish.name, wish.base_model, wish.carried)
    return proposal, [str(problem) for problem in proposal.remarks]


def _fill(scratch: Path, proposal: Proposal, sample: Sample, folder: Path, config: Config) -> list[str]:
    """Write the spec beside its data and check both as a plan and the step `prepare` would."""
    spec = scratch / "specs" / proposal.name
    write(spec, {**proposal.data, **proposal.files})
    pins, unpinned = base.pin(proposal.base_model, folder)
    if pins:
        write_lock(spec, pins)
    names = {f"specs/{proposal.name}/data/{path.name}": shown for shown, path in sample.files.items()}
    try:
        findings = _check(scratch, spec, config)
    except DataError as error:
        raise DataError([_in_words_of(names, problem) for problem in error.problems]) from error
    told = [str(_in_words_of(names, found.problem())) for found in findings if found.severity == "warn"]
    return [*told, *([unpinned] if unpinned else [])]


def _check(scratch: Path, spec: Path, config: Config) -> list[Finding]:
    loaded = load_spec(spec / "spec.yaml", scratch)
    if problems := undercuts(loaded, config):
        raise SpecError(problems)
    evaluation = loaded.spec.evaluation
    where = loaded.where("evaluation.output_format")
    contract = build_contract(evaluation.output_format, loaded.folder, scratch, where)
    return prepare(loaded.spec.dataset, loaded.folder, scratch, contract).findings


def _in_words_of(names: dict[str, str], problem: Problem) -> Problem:
    """Name files as the person did: their copies are not there yet."""
    message = problem.message
    for copy, shown in names.items():
        message = message.replace(copy, shown)
    where = Location(names.get(problem.where.file, problem.where.file), problem.where.line, problem.where.column)
    return Problem(message, where, problem.hint)
