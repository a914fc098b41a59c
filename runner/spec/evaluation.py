"""The section `evaluation` of a spec: what is measured on the test split, how answers are written, what gates ask.

The string under a field is its documentation, as in `runner.spec.models`, which has the other sections.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from runner.spec.section import MetricName, Name, Section

Length = Annotated[int, Field(ge=1)]


class JsonSchemaFormat(Section):
    """The whole answer is JSON that satisfies a schema."""

    json_schema: str
    """JSON Schema file beside the spec."""
    extract: Literal[True] | None = None
    """Take the JSON out of a code fence or out of prose around it first; by default the whole answer must be JSON."""
    max_length: Length | None = None
    """Longest answer, in characters."""


class LabelsFormat(Section):
    """The whole answer is one of a few labels."""

    labels: Annotated[list[str], Field(min_length=2)]
    """The labels, exactly as they must be answered."""
    max_length: Length | None = None
    """Longest answer, in characters."""


class RegexFormat(Section):
    """The whole answer matches a regular expression."""

    regex: str
    """Python regular expression, matched against the whole answer."""
    max_length: Length | None = None
    """Longest answer, in characters."""


OutputFormat = JsonSchemaFormat | LabelsFormat | RegexFormat


class Generation(Section):
    """How answers are written, in evaluation and in serving alike."""

    max_new_tokens: Annotated[int, Field(ge=1, le=8192)] = 256
    """Longest answer in tokens."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    """0 is greedy decoding: the same question gets the same answer."""
    samples: Annotated[int, Field(ge=1, le=100)] = 1
    """Answers per question."""


class Margin(Section):
    """A difference in exactly one of three units."""

    points: Annotated[float, Field(ge=0, le=100)] | None = None
    """Percentage points: 62 % to 72 % is 10 points."""
    relative: str | None = Field(default=None, pattern=r"^\d+(\.\d+)?\s*%$")
    """Share of the other model's value: 60 % to 66 % is 10% relative."""
    error_reduction: str | None = Field(default=None, pattern=r"^\d+(\.\d+)?\s*%$")
    """Share of the other model's errors that is gone: 60 % to 72 % is a 30% error reduction."""

    @model_validator(mode="after")
    def _one_unit(self) -> Margin:
        if sum(unit is not None for unit in (self.points, self.relative, self.error_reduction)) != 1:
            raise ValueError("give exactly one of points, relative, error_reduction")
        return self


Rival = Annotated[
    str,
    Field(pattern=r"^(base|champion|version:\d+\.\d+\.\d+|spec:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)$"),
]


class Gate(Section):
    """One condition that a new version must meet: exactly one of `beats`, `not_worse_than`, `at_least`, `at_most`."""

    metric: MetricName
    """Metric that is compared, such as `exact_match`, `exact_match.queue` or `format_compliance`."""
    beats: Rival | None = None
    """Model that must be beaten: `base`, `champion`, `version:1.2.0`, or what another spec has live, `spec:NAME`."""
    by: Margin | None = None
    """How much better, with `beats`; 0 points when absent."""
    not_worse_than: Rival | None = None
    """Model that must not be undercut by more than `margin`."""
    margin: Margin | None = None
    """Tolerated loss, with `not_worse_than`, in points or relative to the other model's value; 0 when absent."""
    at_least: float | None = None
    """Smallest value that passes."""
    at_most: float | None = None
    """Largest value that passes."""
    proof: Literal["strict"] | None = None
    """`strict`: the bound, and not the measured value, must meet the condition, so that a PASS proves it."""
    slice: str | None = None
    """One of `evaluation.slices`: the condition must hold in each of its values that has enough rows."""
    min_rows: Annotated[int, Field(ge=2)] | None = None
    """Rows that a value of `slice` needs to be judged; 20 when absent."""

    @model_validator(mode="after")
    def _one_condition(self) -> Gate:
        conditions = [c for c in ("beats", "not_worse_than", "at_least", "at_most") if getattr(self, c) is not None]
        if len(conditions) != 1:
            raise ValueError("give exactly one of beats, not_worse_than, at_least, at_most")
        if self.by is not None and self.beats is None:
            raise ValueError("`by` goes with `beats`")
        if self.margin is not None and self.not_worse_than is None:
            raise ValueError("`margin` goes with `not_worse_than`")
        if self.margin is not None and self.margin.error_reduction is not None:
            raise ValueError("`margin` is given in points, or relative")
        if self.min_rows is not None and self.slice is None:
            raise ValueError("`min_rows` goes with `slice`")
        return self

    @property
    def rival(self) -> str | None:
        """The model this gate compares with, if any."""
        return self.beats or self.not_worse_than


class CustomMetric(Section):
    """A metric of the spec's own: exactly one of `contains`, `regex`, `numeric`, `semantic`, `judge`, `command`."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """What `metrics` and gates call it."""
    contains: Annotated[str, Field(min_length=1)] | None = None
    """Text: 1 for an answer that contains it, else 0."""
    ignore_case: bool = False
    """Whether case does not matter, with `contains` and `regex`."""
    regex: Annotated[str, Field(min_length=1)] | None = None
    """Python regular expression: 1 for an answer in which it is found, else 0."""
    numeric: Literal["last", "whole"] | None = None
    """1 for an answer whose number is the reference's, else 0: the last number of each text, or the whole text."""
    tolerance: Annotated[float, Field(ge=0)] = 0.0
    """Difference that is tolerated, with `numeric`."""
    relative: bool = False
    """Whether the tolerance is a share of the reference."""
    semantic: Name | None = None
    """Cosine similarity of answer and reference by an embedding model under `embeddings` of registry/config.yaml."""
    judge: Name | None = None
    """Opinion, between 0 and 1, of the language model at an endpoint under `endpoints` of registry/config.yaml."""
    rubric: str | None = None
    """Text file beside the spec that tells the judge what a good answer is."""
    calibration: str | None = None
    """JSONL file beside the spec with a person's labels of at least 50 answers; no gate uses a judge without."""
    command: Name | None = None
    """Scores by a program that registry/config.yaml names under `metrics`."""

    @model_validator(mode="after")
    def _one_way_to_measure(self) -> CustomMetric:
        ways = ("contains", "regex", "numeric", "semantic", "judge", "command")
        if sum(getattr(self, way) is not None for way in ways) != 1:
            raise ValueError(f"give exactly one of {', '.join(ways)}")
        if (self.rubric is None) != (self.judge is None):
            raise ValueError("`judge` and `rubric` go together")
        if self.calibration is not None and self.judge is None:
            raise ValueError("`calibration` goes with `judge`")
        return self

    @property
    def is_graded(self) -> bool:
        """Whether its rows may have values between 0 and 1."""
        return not (self.contains or self.regex or self.numeric)


class Evaluation(Section):
    """What is measured on the test split, and what decides a release."""

    task: Literal["classification", "extraction", "qa", "generation"]
    """Kind of task; chooses default metrics and how the report reads."""
    metrics: Annotated[list[MetricName], Field(min_length=1)]
    """Metrics to compute; `format_compliance` is always added when there is an output format."""
    primary: MetricName
    """The metric in the headline; one of `metrics`."""
    custom_metrics: list[CustomMetric] = []  # noqa: RUF012 - pydantic copies it
    """Metrics of the spec's own; listed in `metrics` too, they are computed."""
    slices: list[str] = []  # noqa: RUF012 - pydantic copies it
    """Fields (of the source row, or of a JSON answer) by whose values results are told apart, such as `language`."""
    output_format: OutputFormat | Literal["none"] = "none"
    """Format contract of training answers, test references and the model's outputs alike."""
    generation: Generation = Generation()
    """How answers are written."""
    gates: Annotated[list[Gate], Field(min_length=1)]
    """Conditions of a release; all must pass."""
    on_inconclusive: Literal["fail", "warn"] = "fail"
    """What happens when there is too little evidence to decide."""

    @model_validator(mode="after")
    def _primary_is_measured(self) -> Evaluation:
        if self.primary not in self.metrics:
            raise ValueError(f"primary metric {self.primary!r} is not in metrics")
        return self
