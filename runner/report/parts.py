"""What a report tells beside the measurements: training, data, history, costs, where it all came from."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from runner.registry.facts import Step


class ReportPart(BaseModel):
    """Base of the report's objects: frozen and closed, described by the string under each field."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Subject(ReportPart):
    """One model whose answers were scored, and what they cost."""

    name: str
    """`base`, `champion`, `tuned`, `version:1.2.0` or `spec:other`."""
    title: str
    """The same for people: `base`, `champion 1.0.0`, `this`."""
    answered: int
    """Test rows that it answered."""
    errors: int = 0
    """Test rows that it could not answer because the machinery failed; they are no wrong answers."""
    cut_off: int = 0
    """Answers that ended at `max_new_tokens`."""
    prompt_tokens: float | None = None
    """Mean tokens of a prompt."""
    answer_tokens: float | None = None
    """Mean tokens of an answer."""
    latency_p50: float | None = None
    """Median seconds of one answer in a single stream; null when not measured."""
    latency_p95: float | None = None
    """95th percentile of the same."""
    latencies: list[float] = Field(default_factory=list)
    """The seconds behind them, ascending; empty when they were not kept."""
    cost_per_1000: float | None = None
    """US dollars for 1,000 requests; null when not measured."""
    seconds: float | None = None
    """How long all answers took together, written several at a time: no measure of latency."""


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


class DataFinding(ReportPart):
    """One kind of thing that stands out in the data."""

    code: str
    """Stable name, such as `duplicate`."""
    severity: str
    """`error`, `warning` or `info`."""
    count: int
    """How often it was found."""
    message: str = ""
    """What was found first, in words; personal data are masked."""
    where: str = ""
    """Its file and line."""
    hint: str = ""
    """What to do about it."""


class TrainingSummary(ReportPart):
    """The training in a few figures; the curve has its course."""

    method: str
    """`lora`, `qlora`, `dora` or `full`."""
    epochs: float
    """Passes over the training rows that were run."""
    best_epoch: float | None
    """Epoch whose weights were kept."""
    steps: int | None = None
    """Optimizer steps."""
    train_loss: float | None = None
    """Loss on training rows at the end."""
    validation_loss: float | None = None
    """Loss on validation rows of the weights that were kept."""
    seconds: float | None = None
    """How long it took."""
    device: str | None = None
    """What it ran on."""


class Wear(ReportPart):
    """How used this test set is: who tries often enough passes by luck."""

    candidates: int
    """Models scored on this test set so far, rejected ones too."""
    odds: float
    """Odds that the luckiest of as many models no better than the rival passes the primary gate."""
    message: str
    """The same in a sentence."""


class HistoryPoint(ReportPart):
    """The primary metric of one released version, or of this one."""

    version: str
    """Its number."""
    date: datetime | None
    """When it was released, UTC; null for a version that is not."""
    value: float
    """The metric, as it was measured for its release."""
    n: int | None
    """Test rows then."""
    same_test_set: bool
    """Whether those were the rows of this report; values on other rows do not compare."""


class SpecChange(ReportPart):
    """One thing that is not as in the version this one follows."""

    path: str
    """What changed, such as `training.learning_rate`, `train` or `engine`."""
    old: Any
    """Value before; null when there was none, or when it is a digest or a long text."""
    new: Any
    """Value now."""
    words: str
    """In words."""


class Approval(ReportPart):
    """Who let thin evidence through."""

    who: str
    """A person, as git or the command knows them."""
    reason: str
    """Why, in their words."""
    at: datetime
    """When, UTC."""


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
    scored_with: dict[str, str] = Field(default_factory=dict)
    """The same of the step that scored."""
    reproduce: str
    """Command that makes the report again."""
