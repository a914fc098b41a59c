"""What models scored on the test rows: `score` writes it, `gate` and `report` read it.

Results of every row are kept, because a paired comparison needs to know which rows changed, not only how many.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from runner.registry.facts import Fact


class SubjectScores(Fact):
    """Scores of one model (`base`, `tuned`, `champion`, `version:1.2.0`, `spec:other`) on one test split."""

    n: int
    """Number of test rows that it answered."""
    values: dict[str, float]
    """Every metric; those whose unit is a share lie between 0 and 1."""
    rows: dict[str, list[float | None]] = Field(default_factory=dict)
    """Metrics that have a value for each row (binary ones 1 or 0), in the order of `Scores.rows`; null: not answered,
    or not graded."""
    labels: list[tuple[str, str | None]] = Field(default_factory=list)
    """Reference and predicted label of each row, kept for classification metrics; null: the answer has no label."""
    counts: dict[str, list[list[float]]] = Field(default_factory=dict)
    """What other corpus metrics add up over rows, for each row."""
    violations: dict[str, int] = Field(default_factory=dict)
    """Number of answers that break the output format, by kind of violation."""
    breaks: list[list[str]] = Field(default_factory=list)
    """Kinds of violation of each row's answer."""
    apart: dict[str, float] = Field(default_factory=dict)
    """Every metric on the rows without near neighbours in the training split; empty where no row has any."""
    unanswered: list[int] = Field(default_factory=list)
    """Places of the rows that it did not answer."""


class JudgeAgreement(Fact):
    """How far a language model that judges answers agrees with people, on its calibration file."""

    rows: int
    """Answers that people have labelled."""
    graded: int
    """Those that the judge graded."""
    method: Literal["accuracy", "spearman", "none"]
    """`accuracy`: labels of 0 and 1, told apart at a score of 0.5; `spearman`: grades, by the correlation of ranks."""
    agreement: float
    """By that method."""
    kappa: float | None = None
    """Cohen's kappa, for labels of 0 and 1."""
    required: float | None = None
    """Agreement that gates ask for (`policy.judge_agreement`); null where none goes by this judge."""

    @property
    def suffices(self) -> bool:
        """Whether gates may go by the judge; one that always says the same (kappa 0) agrees by chance alone."""
        by_chance = self.kappa is not None and self.kappa <= 0
        return self.method != "none" and not by_chance and self.agreement >= (self.required or 0.0)


class Scores(Fact):
    """Scores of all models that answered one test split, and what the rows are."""

    rows: list[str] = Field(default_factory=list)
    """Row ids, in the order of the test split."""
    groups: list[str] | None = None
    """Cluster of each row (`dataset.split.group_by`): rows of one cluster are no independent evidence."""
    slices: dict[str, list[str | None]] = Field(default_factory=dict)
    """Value of each row, by the fields of `evaluation.slices`."""
    near: list[bool] = Field(default_factory=list)
    """Which rows have a near neighbour in the training split; empty: not known."""
    subjects: dict[str, SubjectScores]
    """Scores by model."""
    judges: dict[str, JudgeAgreement] = Field(default_factory=dict)
    """By metric: what is known of the judges that have a calibration."""

    @model_validator(mode="before")
    @classmethod
    def _of_older_records(cls, data: Any) -> Any:
        """Records of gitune before 0.5 hold the subjects alone."""
        return data if not isinstance(data, dict) or "subjects" in data else {"subjects": data}
