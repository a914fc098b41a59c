"""What a spec's metrics need beyond the answers -> digests for the score key, and everything that is wrong with it.

Programs, judges and embedding models are named by registry/config.yaml, rubrics and calibrations lie beside the spec.
Light, for it is on every plan's path; `evaluation.graders` opens what is described here.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from runner.digest import digest_bytes
from runner.errors import GituneError, Location, Problem, SpecError
from runner.evaluation.calibration import Labelled, read_calibration
from runner.file_index import FileIndex
from runner.models.base import BaseRef, resolve_base
from runner.spec.config import CONFIG_FILE, Config
from runner.spec.evaluation import CustomMetric
from runner.spec.load import LoadedSpec
from runner.spec.lock import load_lock
from runner.spec.models import Spec
from runner.spec.services import Named, is_repository_path

COST = "cost_per_1000"

JUDGING = 1
"""Raised when a judge would be asked in other words; part of the key."""

LARGEST_RUBRIC = 1 << 16
LARGEST_CALIBRATION = 1 << 24
"""Bytes; a rubric is sent with every answer."""

Entry = TypeVar("Entry", bound=Named)


def read_measures(loaded: LoadedSpec, config: Config, index: FileIndex, models: Path | None = None) -> Any:
    """Return the JSON value that decides what metrics from outside say; None where the spec uses none.

    Args:
        loaded: the spec.
        config: names what it may use.
        index: digests of files that did not change.
        models: where `file://` models are read, when that is not the spec's own repository.

    Raises:
        SpecError: when a name is unknown, a file is missing or shows nothing, or a gate asks an untested judge.
    """
    measures: dict[str, Any] = {}
    problems: list[Problem] = []
    for number, custom in _used(loaded.spec):
        where = loaded.where(f"evaluation.custom_metrics.{number}.{_kind(custom)}")
        try:
            measures[custom.name] = _measure(custom, loaded, config, index, where, models or loaded.root)
        except SpecError as error:
            problems += error.problems
        except GituneError as error:
            problems.append(Problem(error.message, where, error.hint))
    problems += _untested_judges(loaded)
    if COST in loaded.spec.evaluation.metrics:
        measures[COST] = prices_of(loaded.spec, config)
        if measures[COST] is None:
            where = loaded.where("evaluation.metrics")
            problems.append(Problem(f"{COST} needs a price", where, f"set prices in {CONFIG_FILE}"))
    if problems:
        raise SpecError(problems)
    return measures or None


def prices_of(spec: Spec, config: Config) -> dict[str, float] | None:
    """Return by what a spec's answers are paid: by the token where tokens have a price, else by the hour."""
    price = config.prices.tokens or config.price_of(spec.compute.profile)
    return price.model_dump() if price else None


def find_named(entries: Sequence[Entry], name: str, section: str) -> Entry:
    """Return the entry of registry/config.yaml that a spec names.

    Raises:
        GituneError: when there is none, with the nearest name.
    """
    names = [entry.name for entry in entries]
    if name in names:
        return entries[names.index(name)]
    close = difflib.get_close_matches(name, names, n=1)
    guess = f"did you mean `{close[0]}`? " if close else ""
    known = f"there: {', '.join(names)}" if names else f"add it under `{section}` there; a spec only names it"
    raise GituneError(f"{CONFIG_FILE} names no `{name}` under `{section}`", hint=guess + known)


def embedding_of(
    custom: CustomMetric, loaded: LoadedSpec, config: Config, index: FileIndex, where: Location, models: Path
) -> BaseRef:
    """Return the embedding model of a metric by content; `models` is the repository of `file://` ones."""
    uri = find_named(config.embeddings, custom.semantic or "", "embeddings").model
    roots = config.policy.file_roots
    return resolve_base(uri, load_lock(loaded.folder), models, roots, index, where, what="the embedding model")


def embedding_uris(spec: Spec, config: Config) -> list[str]:
    """Return the embedding models that `gitune data lock` must pin for a spec."""
    names = {custom.semantic for _, custom in _used(spec)}
    return sorted({entry.model for entry in config.embeddings if entry.name in names})


def read_rubric(custom: CustomMetric, loaded: LoadedSpec, where: Location) -> str:
    """Return the text that tells a judge what a good answer is.

    Raises:
        SpecError: when it cannot be read, or says nothing.
    """
    text = _beside(loaded, custom.rubric or "", LARGEST_RUBRIC, where).decode(errors="replace").strip()
    if not text or "\N{REPLACEMENT CHARACTER}" in text:
        what = "is no UTF-8 text" if text else "is empty"
        raise SpecError([Problem(f"the rubric {custom.rubric} {what}", where, "say what a good answer is")])
    return text


def read_labels(custom: CustomMetric, loaded: LoadedSpec, where: Location) -> list[Labelled]:
    """Return what people said of answers; none where a judge has no calibration.

    Raises:
        SpecError: with everything that is wrong with the file.
    """
    if custom.calibration is None:
        return []
    shown = f"{loaded.file.rpartition('/')[0]}/{custom.calibration}"
    return read_calibration(_beside(loaded, custom.calibration, LARGEST_CALIBRATION, where), shown)


def files_of(command: Sequence[str], files: Sequence[str], root: Path) -> list[str]:
    """Return the files of the repository that a program's scores depend on: its arguments, and those listed."""
    named = [part for part in command if is_repository_path(part) and (root / part).is_file()]
    return sorted({*named, *files})


def command_paths(config: Config) -> list[str]:
    """Return what may be files of the repository among programs' arguments and files."""
    paths = [path for entry in config.metrics for path in (*entry.command, *entry.files)]
    return sorted({path for path in paths if is_repository_path(path)})


def missing_variables(spec: Spec, config: Config) -> dict[str, str]:
    """Return the environment variables that a scoring needs and that are not set, with who needs each."""
    found: dict[str, str] = {}
    for _, custom in _used(spec):
        if custom.command is not None:
            entry = find_named(config.metrics, custom.command, "metrics")
            found |= {name: f"the metric program {entry.name}" for name in entry.env if name not in os.environ}
        elif custom.judge is not None:
            endpoint = find_named(config.endpoints, custom.judge, "endpoints")
            if endpoint.api_key_env and not os.environ.get(endpoint.api_key_env, "").strip():
                found[endpoint.api_key_env] = f"endpoint {endpoint.name}"
    return found


def is_outside(custom: CustomMetric) -> bool:
    """Whether a metric needs something outside of this program."""
    return bool(custom.command or custom.judge or custom.semantic)


def _used(spec: Spec) -> Iterator[tuple[int, CustomMetric]]:
    for number, custom in enumerate(spec.evaluation.custom_metrics):
        if custom.name in spec.evaluation.metrics and is_outside(custom):
            yield number, custom


def _kind(custom: CustomMetric) -> str:
    return "command" if custom.command else "judge" if custom.judge else "semantic"


def _measure(
    custom: CustomMetric, loaded: LoadedSpec, config: Config, index: FileIndex, where: Location, models: Path
) -> dict[str, Any]:
    if custom.semantic is not None:
        return {"embeddings": embedding_of(custom, loaded, config, index, where, models).digest}
    if custom.command is not None:
        entry = find_named(config.metrics, custom.command, "metrics")
        root = config.programs or loaded.root
        files = files_of(entry.command, entry.files, root)
        digests = {name: _digest(name, root, index) for name in files}
        return {"command": entry.command, "files": digests, "env": sorted(entry.env)}
    endpoint = find_named(config.endpoints, custom.judge or "", "endpoints")
    labels = read_labels(custom, loaded, where)
    gated = any(gate.metric == custom.name for gate in loaded.spec.evaluation.gates)
    return {
        "judging": JUDGING,
        "judge": endpoint.name,
        "model": endpoint.model,
        "rubric": digest_bytes(read_rubric(custom, loaded, where).encode()),
        "calibration": index.digest(loaded.folder / str(custom.calibration)) if labels else None,
        "agreement": config.policy.judge_agreement if labels and gated else None,
    }


def _digest(name: str, root: Path, index: FileIndex) -> str:
    path = root / name
    if not path.resolve().is_relative_to(root.resolve()) or not path.is_file():
        raise GituneError(f"there is no file {name} in the repository", hint=f"`metrics` of {CONFIG_FILE} names it")
    return index.digest(path)


def _untested_judges(loaded: LoadedSpec) -> Iterator[Problem]:
    """A judge decides nothing before it was shown to judge as people do."""
    evaluation = loaded.spec.evaluation
    untested = {custom.name for custom in evaluation.custom_metrics if custom.judge and custom.calibration is None}
    for number, gate in enumerate(evaluation.gates):
        if gate.metric in untested:
            message = f"the gate goes by the judge `{gate.metric}`, and nothing shows that it judges as people do"
            hint = f"label 50 answers or more and name the file as `calibration` of `{gate.metric}`"
            yield Problem(message, loaded.where(f"evaluation.gates.{number}.metric"), hint)


def _beside(loaded: LoadedSpec, name: str, largest: int, where: Location) -> bytes:
    path = loaded.folder / name
    try:
        with path.open("rb") as file:
            data = file.read(largest + 1)
    except OSError as error:
        raise SpecError([Problem(f"{name} cannot be read: {error.strerror}", where)]) from error
    if len(data) > largest:
        raise SpecError([Problem(f"{name} has more than {largest >> 10} KiB", where)])
    return data
