"""The evaluation report as data: what every rendering (Markdown, HTML, JSON, JUnit, text) is made from.

`schemas/report.schema.json` is generated from it. Texts of data and models are as they were, cut to `TEXT_LIMIT`:
whoever renders them escapes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from runner.evaluation.catalog import Unit
from runner.evaluation.gates import Outcome, Verdict
from runner.report.parts import (
    Approval,
    CurvePoint,
    DataFinding,
    Finding,
    HistoryPoint,
    Provenance,
    ReportPart,
    SpecChange,
    Subject,
    TrainingSummary,
    Wear,
)

TEXT_LIMIT = 4_000
"""Characters of one text of a row that are kept."""

Status = Literal["fixed", "broken", "both_right", "both_wrong", "format_error", "unanswered"]
"""What became of a test row: `format_error` is `both_wrong` with an answer of this model that breaks the output format,
`unanswered` that base or this model has no answer. Of a graded metric `fixed` is above base, `broken` below."""


class Headline(ReportPart):
    """The primary metric: tuned against base, with the interval of the difference."""

    metric: str
    """The spec's primary metric."""
    unit: Unit = "share"
    """Unit of the values; shares are told in percent, their differences in points."""
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
    """Test rows that both answered."""
    method: str
    """How the bounds were computed."""


class MetricValue(ReportPart):
    """One metric of one subject."""

    value: float
    """On all rows that it answered."""
    low: float | None = None
    """One-sided 95 % lower bound of the true value; null where there is none for this metric."""
    high: float | None = None
    """One-sided 95 % upper bound."""
    method: str = ""
    """How the interval was computed."""
    apart: float | None = None
    """On the rows without near neighbours in the training split; null when no row has any."""


class MetricDifference(ReportPart):
    """The tuned model's value less that of a rival, on the rows that both answered."""

    value: float
    """The difference; for a metric where lower is better, below 0 is a gain."""
    low: float | None = None
    """One-sided 95 % lower bound; null where there is none for this metric."""
    high: float | None = None
    """One-sided 95 % upper bound."""
    n: int | None = None
    """Rows that both answered."""
    method: str = ""
    """How the bounds were computed."""


class MetricValues(ReportPart):
    """One metric of all subjects."""

    metric: str
    """Its name."""
    meaning: str = ""
    """What it is, in a line."""
    unit: Unit = "share"
    """Unit of its values."""
    better: Literal["higher", "lower"] = "higher"
    """Which way is up."""
    subjects: dict[str, MetricValue]
    """Values by subject; who was not measured is not there."""
    differences: dict[str, MetricDifference] = Field(default_factory=dict)
    """Differences by rival: `base`, `champion` and what else was scored."""


class FormatCompliance(ReportPart):
    """How often one subject kept to the output format."""

    subject: str
    """Its name."""
    value: float
    """Share of compliant answers."""
    n: int
    """Answers."""
    violations: dict[str, int]
    """Answers that break the format, by kind, the commonest first."""


class RowChanges(ReportPart):
    """What became of the rows that another model had right and wrong."""

    metric: str
    """Metric that says what is right."""
    graded: bool = False
    """Whether rows have more values than right and wrong; then fixed is a higher value, and broken a lower one."""
    fixed: int
    """Rows that only the tuned model has right."""
    broken: int
    """Rows that only the other one has right."""
    unchanged: int
    """The others."""


class Nearest(ReportPart):
    """A training row that is much like a test row."""

    row: str
    """Row id."""
    similarity: float
    """Between 0 and 1."""
    where: str = ""
    """File and line it was read from: `specs/bot/data/train.jsonl:812`."""
    input: str = ""
    """Its last question, shortened."""
    answer: str = ""
    """Its answer, shortened."""


class ReportRow(ReportPart):
    """One test row: what was asked, expected and answered."""

    id: str
    """Row id."""
    status: Status
    """What became of it, against base."""
    champion_status: Status | None = None
    """The same against the champion; null without one."""
    where: str = ""
    """File and line it was read from."""
    input: str
    """The conversation before the answer, without the system message."""
    expected: str
    """The reference answer."""
    answers: dict[str, str]
    """Answer by subject; who has none is not there."""
    violations: list[str] = Field(default_factory=list)
    """How the tuned model's answer breaks the output format."""
    near: bool = False
    """Whether it has a near neighbour in the training split."""
    nearest: list[Nearest] = Field(default_factory=list)
    """The training rows that are most like it, the most like one first."""
    values: dict[str, dict[str, float | None]] = Field(default_factory=dict)
    """Value by metric and subject, of metrics that have one for each row."""
    slices: dict[str, str | None] = Field(default_factory=dict)
    """Its value of each field of `evaluation.slices`."""


class ConfusedPair(ReportPart):
    """One label answered in place of another."""

    expected: str
    """Label of the reference."""
    answered: str | None
    """Label of the answer; null: none of the labels."""
    n: int
    """Rows."""


class Confusion(ReportPart):
    """Which labels one subject takes for which."""

    subject: str
    """Its name."""
    labels: list[str]
    """Labels of the references."""
    matrix: list[list[int]]
    """Rows: labels of references; columns: labels of answers, the last one for answers with none of the labels."""
    pairs: list[ConfusedPair]
    """What is wrong, the commonest first."""


class SliceValue(ReportPart):
    """The rows with one value of a field."""

    field: str
    """Field of `evaluation.slices`."""
    value: str | None
    """Its value; null: the row has none."""
    metric: str
    """What is told of them."""
    n: int
    """Rows."""
    subjects: dict[str, float]
    """Mean by subject."""
    gain: float
    """Tuned less base."""
    marked: bool = False
    """Whether the gain or loss is more than chance, after Holm's correction for the number of slices."""
    small: bool = False
    """Whether it has too few rows to be judged."""


class Report(ReportPart):
    """The evaluation of one version of one spec."""

    schema_version: Literal["2.0"] = "2.0"
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
    """Whether that allows a release: PASS, or INCONCLUSIVE with `on_inconclusive: warn` or an approval."""
    decision: str
    """What that means for a pull request, in a few words: `merge`, `do not merge` …"""
    headline: Headline
    """The primary metric."""
    verdicts: list[Verdict]
    """Every gate."""
    subjects: list[Subject]
    """Every model whose answers were scored: base, champion, tuned, then others."""
    metrics: list[MetricValues]
    """Every metric."""
    compliance: list[FormatCompliance]
    """Format compliance by subject; empty without an output format."""
    changes: RowChanges
    """Rows fixed and broken against base."""
    champion_changes: RowChanges | None = None
    """The same against the champion; null without one."""
    rows: list[ReportRow] = Field(default_factory=list)
    """Every test row, in the order of the test split."""
    near_rows: int = 0
    """Test rows with a near neighbour in the training split."""
    confusion: list[Confusion] = Field(default_factory=list)
    """Of base and tuned; empty without a classification metric."""
    slices: list[SliceValue] = Field(default_factory=list)
    """Results by value of each field of `evaluation.slices`."""
    curve: list[CurvePoint]
    """Loss over training, oldest first."""
    best_epoch: float | None
    """Epoch whose weights were kept."""
    kept: str = ""
    """Which weights were kept and why, in a sentence."""
    training: TrainingSummary | None = None
    """The training in a few figures."""
    findings: list[Finding] = Field(default_factory=list)
    """What looks wrong with the training, the gravest first."""
    data: dict[str, str] = Field(default_factory=dict)
    """The data card in words."""
    data_findings: list[DataFinding] = Field(default_factory=list)
    """What the data checks found."""
    changed: list[SpecChange] = Field(default_factory=list)
    """What is not as in the version it follows."""
    changed_since: str | None = None
    """That version; null when nothing was released before."""
    history: list[HistoryPoint] = Field(default_factory=list)
    """The primary metric of released versions, oldest first, and of this one."""
    wear: Wear | None = None
    """How used the test set is; null when it is not known."""
    approval: Approval | None = None
    """Who let an INCONCLUSIVE of these scores through."""
    notes: list[str] = Field(default_factory=list)
    """What a reader must know to read the figures, in sentences."""
    provenance: Provenance
    """What the report was made from."""
    next_step: str
    """What to do now, in one sentence."""

    def became(self, status: Status, rival: Literal["base", "champion"]) -> Sequence[ReportRow]:
        """Return the rows of which this became, against base or the champion."""
        return [row for row in self.rows if (row.status if rival == "base" else row.champion_status) == status]
