"""Two releases of a name as data: what `gitune report NAME --compare A B` prints."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from runner.evaluation.ledger import Status
from runner.report.model import Nearest
from runner.report.parts import ReportPart


class Neighbour(Nearest):
    """A training row that resembles a test row, and whether it came with the newer version."""

    new: bool = False
    """Whether the older version was trained without it."""


class ComparedRow(ReportPart):
    """One test row that both versions answered."""

    row: str
    """Row id."""
    status: Status
    """What became of it: `fixed`, `broken`, `both_right` or `both_wrong`."""
    input: str
    """The conversation before the answer, without the system message."""
    expected: str
    """The reference answer."""
    before: str
    """The older version's answer."""
    after: str
    """The newer version's answer."""
    nearest: list[Neighbour] = Field(default_factory=list)
    """The nearest training rows of the newer version, the most similar first."""


class Comparison(ReportPart):
    """Two releases of a name, row by row."""

    format_version: Literal["1.0"] = "1.0"
    """Version of this JSON."""
    name: str
    """Name of the spec."""
    old: str
    """Version that is compared with."""
    new: str
    """Version that is compared."""
    metric: str
    """The primary metric of the spec."""
    before: float | None
    """Its value for the older version; null when it was not measured on the same rows."""
    after: float | None
    """Its value for the newer version."""
    difference: float | None
    """Gain on the rows that both answered; null where the metric cannot be taken on some rows alone."""
    low: float | None
    """One-sided 95 % lower bound of the gain."""
    high: float | None
    """One-sided 95 % upper bound."""
    method: str
    """How the bounds were computed."""
    n: int
    """Test rows that both answered."""
    left_out: int
    """Test rows of either version that the other one did not answer."""
    right_by: str
    """Metric that says which rows are right."""
    counts: dict[Status, int]
    """Rows by what became of them."""
    rows: list[ComparedRow]
    """Every row that changed, and those that both have wrong: broken first, then fixed, then both wrong."""
