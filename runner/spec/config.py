"""`registry/config.yaml` -> `Config`: what the repository's owners decide, and a spec may not.

`load_config(root)`. Where a stranger's pull request is planned, `GITUNE_CONFIG_FROM` has it read from the base branch
(`cli.configuration`).
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, field_validator, model_validator

from runner.spec.document import Document
from runner.spec.evaluation import Gate, Margin, Rival
from runner.spec.known import KnownDocuments
from runner.spec.section import MetricName, Section
from runner.spec.services import Embeddings, Endpoint, MetricCommand, Named, Runner, Server, TokenPrice, unique_names
from runner.spec.validation import tell, validated
from runner.spec.yaml_file import parse_yaml, read_yaml

CONFIG_FILE = "registry/config.yaml"


Tracker = Literal["clearml", "comet_ml", "dvclive", "mlflow", "neptune", "swanlab", "tensorboard", "trackio", "wandb"]


Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class BudgetPolicy(Section):
    """What one plan may be expected to take; an apply refuses more, unless it is told `--over-budget`."""

    hours: Positive | None = None
    """Hours of all its steps together, those included that only may have to run."""
    usd: Positive | None = None
    """US dollars of all its steps together, by `prices`."""


DEFAULT_PROFILE = "default"
"""The compute profile of specs that name none."""


class Price(Section):
    """What a compute profile costs."""

    usd_per_hour: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """US dollars for an hour of its machine."""


class Prices(Section):
    """Prices of machines and of tokens."""

    default: Price | None = None
    """The compute profile that specs name when they name none; what others cost stands with their `runners`."""
    tokens: TokenPrice | None = None
    """What answers cost where they are paid by the token."""


_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?(MB|GB|TB)")
_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12}


class Floor(Section):
    """What some gate of every spec must ask at least: the condition of a gate, of one metric or of any."""

    metric: MetricName | None = None
    """Metric that the gate must be about; any when absent."""
    beats: Rival | None = None
    """Model that must be beaten."""
    by: Margin | None = None
    """How much better at least, with `beats`."""
    not_worse_than: Rival | None = None
    """Model that must not be undercut; a gate that must beat it does as well."""
    margin: Margin | None = None
    """Largest loss that a gate may tolerate, with `not_worse_than`."""
    at_least: float | None = None
    """Smallest value that a gate may let pass."""
    at_most: float | None = None
    """Largest value that a gate may let pass."""
    proof: Literal["strict"] | None = None
    """`strict`: the gate must ask for proof."""

    @model_validator(mode="after")
    def _is_a_gate(self) -> Floor:
        self.as_gate()
        return self

    def as_gate(self) -> Gate:
        """Return the least gate that keeps it; where any metric will do, of one called `any_metric`."""
        return Gate.model_validate({"metric": self.metric or "any_metric", **self.model_dump(exclude={"metric"})})


class Policy(Section):
    """Rules that every spec must keep."""

    deploy_branch: str = "main"
    """Branch whose applies release versions and move deployments."""
    file_roots: list[str] = []  # noqa: RUF012 - pydantic copies it
    """Folders from which `file://` base models may be read; relative ones lie in the repository."""

    budget: BudgetPolicy | None = None
    """What one plan may be expected to take."""
    floors: list[Floor] = []  # noqa: RUF012 - pydantic copies it
    """Conditions that the gates of every spec must ask for at least."""
    min_test_rows: Annotated[int, Field(ge=1)] | None = None
    """Fewest test rows that a new version may be judged by."""
    on_inconclusive: Literal["fail"] | None = None
    """`fail`: no spec may say `on_inconclusive: warn`."""
    judge_agreement: Annotated[float, Field(ge=0, le=1)] = 0.85
    """Agreement with people, by its calibration, that a language model needs before a gate goes by its judgement."""

    @field_validator("deploy_branch")
    @classmethod
    def _is_a_branch(cls, branch: str) -> str:
        if not branch.strip():
            raise ValueError("name a branch, such as main")
        return branch


class ReportPolicy(Section):
    """What reports that others read may show."""

    examples: Literal["full", "masked", "none"] | None = None
    """Rows of the test set in comments and job summaries: as they are, with their letters masked, or not at all; where
    nothing is said, masked on public repositories, else full."""


class Cache(Section):
    """Copies of artifacts on this machine."""

    max_size: str = "50GB"
    """Size that fetched copies may grow to, such as 500MB, 50GB or 2TB; what was not used for longest goes first."""

    @field_validator("max_size")
    @classmethod
    def _is_a_size(cls, size: str) -> str:
        if _SIZE.fullmatch(size.strip()) is None:
            raise ValueError("write a number and MB, GB or TB, such as 50GB")
        return size

    @property
    def max_bytes(self) -> int:
        """The same in bytes."""
        number, unit = _SIZE.fullmatch(self.max_size.strip()).groups()  # type: ignore[union-attr]  # validated
        return round(float(number) * _UNITS[unit])


class Config(Section):
    """Settings of the repository: where results are kept, and what specs may do."""

    store: str = "registry/store"
    """Where results are kept: a folder, relative to the repository, or a URL such as s3://BUCKET/PREFIX."""
    cache: Cache = Cache()
    """Copies of artifacts on this machine (GITUNE_CACHE)."""
    policy: Policy = Policy()
    """Rules that every spec must keep."""
    report: ReportPolicy = ReportPolicy()
    """What reports that others read may show."""
    runners: list[Runner] = []  # noqa: RUF012 - pydantic copies it
    """Machines that CI trains on, by the name that `compute.profile` of specs says; `default` needs no entry."""
    servers: list[Server] = []  # noqa: RUF012 - pydantic copies it
    """Where deployments answer, so that `gitune status` can ask whether they do."""
    trackers: list[Tracker] = []  # noqa: RUF012 - pydantic copies it
    """Experiment trackers that local trainings report to, by transformers' names; keys come from the environment."""
    prices: Prices = Prices()
    """What the compute profiles of specs cost; plans say by it what steps will cost."""
    metrics: list[MetricCommand] = []  # noqa: RUF012 - pydantic copies it
    """Programs that custom metrics of specs may name as their `command`."""
    endpoints: list[Endpoint] = []  # noqa: RUF012 - pydantic copies it
    """Language models that custom metrics of specs may name as their `judge`."""
    embeddings: list[Embeddings] = []  # noqa: RUF012 - pydantic copies it
    """Embedding models that custom metrics of specs may name under `semantic`."""

    def machine(self, profile: str) -> Runner | None:
        """Return the machine that a compute profile names; `default` is one that GitHub hosts where nothing is said."""
        found = next((one for one in self.runners if one.name == profile), None)
        return found or (_hosted() if profile == DEFAULT_PROFILE else None)

    def price_of(self, profile: str) -> Price | None:
        """Return what an hour of a compute profile's machine costs, where that is known."""
        named = next((one.usd_per_hour for one in self.runners if one.name == profile), None)
        if named is not None:
            return Price(usd_per_hour=named)
        return self.prices.default if profile == DEFAULT_PROFILE else None

    _programs: Path | None = PrivateAttr(default=None)

    @property
    def programs(self) -> Path | None:
        """Folder in which metric programs lie and run; None: the repository of the spec that is scored."""
        return self._programs

    def with_programs(self, folder: Path) -> Config:
        """Return the same configuration with programs that lie in another folder, such as those of the base branch."""
        found = self.model_copy()
        found._programs = folder  # noqa: SLF001 - of its own class
        return found

    @field_validator("metrics", "endpoints", "embeddings", "runners", "servers")
    @classmethod
    def _are_told_apart(cls, entries: list[Named]) -> list[Named]:
        unique_names(entries)
        return entries

    @field_validator("store")
    @classmethod
    def _is_a_place(cls, store: str) -> str:
        if fault := _no_store(store):
            raise ValueError(fault)
        return store


def _hosted() -> Runner:
    return Runner(name=DEFAULT_PROFILE, runs_on=["ubuntu-latest"])


def _no_store(store: str) -> str:
    """Say why a text names no place for results; else a slip of the pen would open an empty registry somewhere."""
    if not store.strip() or not store.isprintable():
        return "name a folder or a URL, without control characters"
    if store.startswith("memory:"):
        return "memory:// forgets everything when the command ends; name a folder or a bucket"
    if slip := re.match(r"([a-z][a-z0-9+]+):/?(?!/)", store):
        return f"write {slip[1]}://, with two slashes"
    if store.startswith("~"):
        return "`~` is not expanded; write the whole path"
    first = PurePath(os.path.normpath(store)).parts[:1]
    if first in ((), ("specs",), (".git",)):
        return "results need a folder of their own, such as registry/store"
    return ""


def load_config(root: Path, known: KnownDocuments | None = None) -> Config:
    """Read the configuration; without the file, or with nothing but comments in it, everything has its default.

    Raises:
        SpecError: with everything that is wrong with it.
    """
    file = root / CONFIG_FILE
    if not file.is_symlink() and not file.exists():
        return Config()
    return _configured(read_yaml(file, root, known))


def parse_config(data: bytes, name: str) -> Config:
    """Read the configuration of another commit from its bytes; `name` is what errors call it.

    Raises:
        SpecError: with everything that is wrong with it.
    """
    return _configured(parse_yaml(data, name))


def _configured(document: Document) -> Config:
    if document.data is None and not document.findings:
        return Config()
    config, findings = validated(Config, document)
    if config is None or findings:
        raise tell(findings)
    return config
