"""A spec with everything a planner may know about it without the network: pinned base, file digests, contract."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.contract.contract import contract_digest_input
from runner.data.sources import source_files
from runner.errors import GituneError, Problem, SpecError
from runner.evaluation.conditions import validate_gates
from runner.evaluation.fit import FIT_METRICS
from runner.evaluation.measurable import validate_measurable
from runner.evaluation.outside import COST, read_measures
from runner.file_index import FileIndex
from runner.inference.probe import is_probed
from runner.models.base import BaseRef, resolve_base
from runner.spec.config import DEFAULT_PROFILE, Config
from runner.spec.known import KnownDocuments
from runner.spec.load import LoadedSpec
from runner.spec.lock import load_lock
from runner.spec.models import Spec

LARGEST_TEMPLATE = 1 << 16
"""Bytes; the longest templates of published models have a quarter of that. A version holds the text itself."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One spec and the content digests its keys are made of."""

    loaded: LoadedSpec
    base: BaseRef
    files: Mapping[str, Mapping[str, str]]
    """By role (`train`, `validation`, `test`): repository path -> sha256."""
    contract: object
    """JSON value that decides the format contract's verdicts; None without a contract."""
    config: Config = field(default_factory=Config)
    """The repository's configuration."""
    measures: Any = None
    """JSON value that decides what metrics from outside say (`evaluation.outside`); None without any."""

    @property
    def digests(self) -> dict[str, list[str]]:
        """Digests of the source files by role, whatever they are called."""
        return {role: list(files.values()) for role, files in self.files.items()}

    @property
    def spec(self) -> Spec:
        """The parsed spec."""
        return self.loaded.spec

    @property
    def is_probed(self) -> bool:
        """Whether scoring asks the models how long an answer takes."""
        prices = (self.measures or {}).get(COST) or {}
        return is_probed(self.spec.evaluation.metrics, by_token="input_per_million" in prices)


def gather_all(
    specs: Sequence[LoadedSpec], config: Config, index: FileIndex, known: KnownDocuments | None = None
) -> list[Subject]:
    """Gather every spec.

    Raises:
        SpecError: with the problems of all of them.
    """
    subjects: list[Subject] = []
    problems: list[Problem] = []
    for loaded in specs:
        try:
            subjects.append(gather(loaded, config, index, known))
        except SpecError as error:
            problems.extend(error.problems)
    if problems:
        raise SpecError(problems)
    return subjects


def gather(
    loaded: LoadedSpec, config: Config, index: FileIndex, known: KnownDocuments | None = None, *, scored: bool = True
) -> Subject:
    """Read what the keys need: the lock, and digests of local files through the stat index.

    Args:
        loaded: the spec.
        config: the repository's configuration.
        index: digests of files that have not changed.
        known: locks that were parsed before.
        scored: whether its scores matter. For a training of the past they do not, and what they needed may be gone.

    Raises:
        SpecError: when a file, pattern or pin is missing, a gate could never be judged, or the base never be served.
    """
    spec = loaded.spec
    _check_judgeable(loaded)
    _check_machine(loaded, config)
    lock = load_lock(loaded.folder, known)
    roots = config.policy.file_roots
    base = resolve_base(spec.base_model, lock, loaded.root, roots, index, loaded.where("base_model"))
    _check_served(loaded, base)
    return Subject(
        loaded=loaded,
        base=replace(base, chat_template=read_chat_template(loaded)),
        files=digest_sources(loaded, index.digest),
        contract=read_contract(loaded),
        config=config,
        measures=read_measures(loaded, config, index) if scored else None,
    )


def _check_machine(loaded: LoadedSpec, config: Config) -> None:
    profile = loaded.spec.compute.profile
    if config.machine(profile) is None:
        known = ", ".join(sorted({DEFAULT_PROFILE, *(runner.name for runner in config.runners)}))
        where = loaded.where("compute.profile")
        message = f"`compute.profile: {profile}` is none of the runners of registry/config.yaml"
        raise SpecError([Problem(message, where, f"available: {known}")])


def read_chat_template(loaded: LoadedSpec) -> str | None:
    """Return the text of the file that `chat_template` names.

    Raises:
        SpecError: when it is no text, has nothing to render, or is larger than any template.
    """
    name = loaded.spec.chat_template
    if name is None:
        return None
    where = loaded.where("chat_template")
    try:
        data = (loaded.folder / name).read_bytes()
        text = data.decode()
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(f"{name} cannot be read as UTF-8 text: {error}", where, "name a Jinja file beside the spec")
        raise SpecError([problem]) from error
    if not text.strip() or len(data) > LARGEST_TEMPLATE:
        what = "is empty" if not text.strip() else f"has {len(data)} bytes, and a template {LARGEST_TEMPLATE} at most"
        raise SpecError([Problem(f"{name} {what}", where, "name the Jinja file of a chat template")])
    return text


def digest_sources(loaded: LoadedSpec, digest: Callable[[Path], str]) -> dict[str, dict[str, str]]:
    """Return the digests of the source files, by role and repository path."""
    data = loaded.spec.dataset
    roles = {"train": data.train, "validation": data.validation, "test": data.test}
    return {role: _digests(role, patterns, loaded, digest) for role, patterns in roles.items()}


def read_contract(loaded: LoadedSpec) -> object:
    """Return the JSON value that decides the format contract's verdicts, from the files as they are now."""
    where = loaded.where("evaluation.output_format")
    return contract_digest_input(loaded.spec.evaluation.output_format, loaded.folder, loaded.root, where)


def _check_judgeable(loaded: LoadedSpec) -> None:
    """Refuse before hours of training what could only fail after it."""
    evaluation = loaded.spec.evaluation
    try:
        validate_measurable(evaluation, loaded.where)
        _check_validation(loaded.spec)
    except SpecError:
        raise
    except GituneError as error:
        raise SpecError([Problem(error.message, loaded.where("evaluation.metrics"), error.hint)]) from error
    problems = []
    for number, gate in enumerate(evaluation.gates):
        try:
            validate_gates(
                [gate],
                evaluation.metrics,
                has_contract=evaluation.output_format != "none",
                custom=evaluation.custom_metrics,
                slices=evaluation.slices,
            )
        except GituneError as error:
            problems.append(Problem(error.message, loaded.where(f"evaluation.gates.{number}"), error.hint))
    if problems:
        raise SpecError(problems)


def _check_validation(spec: Spec) -> None:
    """Refuse losses of a validation split that has no rows."""
    wanted = sorted(FIT_METRICS.intersection(spec.evaluation.metrics))
    if wanted and not spec.dataset.validation and not spec.dataset.split.validation:
        hint = "set dataset.split.validation, or name files under dataset.validation"
        raise GituneError(f"{', '.join(wanted)}: there are no validation rows", hint=hint)


def _check_served(loaded: LoadedSpec, base: BaseRef) -> None:
    """Refuse an engine that could never serve the base."""
    if loaded.spec.engine == "llama_cpp" and base.no_gguf:
        message = f"llama.cpp cannot serve {base.uri}: {base.no_gguf}"
        where = loaded.where("engine" if "engine" in loaded.places else "base_model")
        raise SpecError([Problem(message, where, "write `engine: transformers`")])


def _digests(role: str, patterns: list[str], loaded: LoadedSpec, digest: Callable[[Path], str]) -> dict[str, str]:
    where = loaded.where(f"dataset.{role}")
    files = source_files(patterns, loaded.folder, loaded.root, where) if patterns else []
    return {_shown(path, loaded.root): digest(path) for path in files}


def _shown(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
