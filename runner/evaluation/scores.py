"""What one model scored on the test rows: `score` writes it, `gate` and `report` read it.

Per-row results are kept, because a paired comparison needs to know which rows changed, not only how many.
"""

from __future__ import annotations

from pydantic import Field

from runner.registry.facts import Fact


class SubjectScores(Fact):
    """Scores of one model (`base`, `tuned`, `champion`, `version:1.2.0`) on one test split."""

    n: int
    """Number of test rows."""
    values: dict[str, float]
    """Every metric, between 0 and 1."""
    rows: dict[str, list[float]] = Field(default_factory=dict)
    """Metrics that have a value for each row (1 right, 0 wrong), in the order of the test rows."""
    labels: list[tuple[str, str | None]] = Field(default_factory=list)
    """Reference and predicted label of each row, kept for `macro_f1`; None: the answer has no label."""
    violations: dict[str, int] = Field(default_factory=dict)
    """Number of answers that break the output format, by kind of violation."""
