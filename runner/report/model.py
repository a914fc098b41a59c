"""The evaluation report as data: what every rendering (Markdown, JSON, later HTML and JUnit) is made from."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from runner.evaluation.gates import Outcome, Verdict
from runner.registry.facts import Step


class ReportPart(BaseModel):
    """Base of the report's objects: frozen, documented by the string under each field."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Headline(ReportPart):
    """The primary metric: tuned against base, with the interval of the difference."""

    metric: str
    """The spec's primary metric."""
    base: float
    """The base model's value."""
    champion: float | None
    """The champion's value, if there is one."""
    tuned: float
    """The tuned model's value."""
    difference: float
    """Tuned less base."""
    low: float
    """One-sided 95 % lower bound of the difference."""
    high: float
    """One-sided 95 % upper bound."""
    n: int
    """Test rows."""
    method: str
    """How the bounds were computed."""


class MetricValues(ReportPart):
    """One metric of all subjects."""

    metric: str
    """Its name."""
    base: float
    """The base model's value."""
    champion: float | None
    """The champion's value, if there is one."""
    tuned: float
    """The tuned model's value."""


class FormatCompliance(ReportPart):
    """How often one subject kept to the output format."""

    subject: str
    """`base`, `champion` or `tuned`."""
    value: float
    """Share of compliant answers."""
    n: int
    """Answers."""
    violations: dict[str, int]
    """Answers that break the format, by kind, the commonest first."""


class RowChanges(ReportPart):
    """What became of the rows that base had right and wrong."""

    metric: str
    """Metric that says what is right."""
    fixed: int
    """Rows that only the tuned model has right."""
    broken: int
    """Rows that only the base model has right."""
    unchanged: int
    """The others."""


class Example(ReportPart):
    """One test row, shortened: what was asked, expected and answered."""

    row: str
    """Row id."""
    input: str
    """The conversation before the answer, without the system message."""
    expected: str
    """The reference answer."""
    base: str
    """The base model's answer."""
    tuned: str
    """The tuned model's answer."""


class CurvePoint(ReportPart):
    """One point of the loss curve."""

    epoch: float
    """Passes over the training rows; a whole number ends an epoch, 0 is the untrained model."""
    step: int
    """Optimizer steps."""
    train_loss: float | None = None
    """Mean loss on training rows since the point before."""
    validation_loss: float | None = None
    """Loss on validation rows."""


class Finding(ReportPart):
    """One thing that looks wrong with the training."""

    code: str
    """Stable name, such as `overfitting`."""
    message: str
    """What was seen, with figures."""
    cause: str
    """What usually causes it."""
    remedy: str
    """What to change."""


class Provenance(ReportPart):
    """What the report was made from, and how to make it again."""

    base_model: str
    """URI of the base model."""
    engine: str
    """What wrote the answers."""
    seed: int
    """Seed of the training."""
    keys: dict[Step, str]
    """Step keys."""
    digests: dict[str, str]
    """sha256 of what was compared: `test` rows, `adapter`, `scores` …"""
    environment: dict[str, str]
    """Python, platform and library versions of the training, else of the newest step."""
    reproduce: str
    """Command that makes the report again."""


class Report(ReportPart):
    """The evaluation of one version of one spec."""

    schema_version: Literal["1.0"] = "1.0"
    """Version of this JSON."""
    name: str
    """Name of the spec."""
    version: str
    """Version under evaluation."""
    commit: str | None
    """Git commit that holds the spec as it was evaluated; null while it is not committed."""
    champion: str | None
    """Version it was compared with, if any."""
    outcome: Outcome
    """What the gates say together."""
    releasable: bool
    """Whether that allows a release: PASS, or INCONCLUSIVE with `on_inconclusive: warn`."""
    headline: Headline
    """The primary metric."""
    verdicts: list[Verdict]
    """Every gate."""
    metrics: list[MetricValues]
    """Every metric."""
    compliance: list[FormatCompliance]
    """Format compliance by subject; empty without an output format."""
    changes: RowChanges
    """Rows fixed and broken against base."""
    better: list[Example]
    """Some rows that only the tuned model has right."""
    worse: list[Example]
    """Some rows that only the base model has right."""
    curve: list[CurvePoint]
    """Loss over training, oldest first."""
    best_epoch: float | None
    """Epoch whose weights were kept."""
    kept: str = ""
    """Which weights were kept and why, in a sentence."""
    findings: list[Finding] = Field(default_factory=list)
    """What looks wrong with the training, the gravest first."""
    data: dict[str, str] = Field(default_factory=dict)
    """The data card in words."""
    provenance: Provenance
    """What the report was made from."""
    next_step: str
    """What to do now, in one sentence."""
