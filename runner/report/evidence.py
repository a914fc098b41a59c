"""Everything that a report is built from, as the registry holds it. `gather` reads it, `build` is pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runner.data.rows import Row
from runner.evaluation.gates import Verdict
from runner.evaluation.scores import Scores
from runner.registry.facts import Record, Ruling, Step
from runner.report.model import Nearest
from runner.report.parts import HistoryPoint, SpecChange, Wear
from runner.spec.models import Spec


@dataclass(frozen=True, slots=True)
class Told:
    """What one subject answered, and what its prediction recorded."""

    texts: Mapping[str, str]
    """Text by prompt id; the first sample where there are several."""
    stored: Sequence[Mapping[str, Any]] = ()
    """Every stored answer, with its tokens and how it ended."""
    errors: int = 0
    """Prompts without an answer because the machinery failed."""
    seconds: float | None = None
    """How long the prediction took."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One evaluation."""

    spec: Spec
    """What was evaluated."""
    records: Mapping[Step, Record]
    """Records of the steps that led here."""
    scores: Scores
    """Scores of `base`, `tuned` and the rivals."""
    verdicts: Sequence[Verdict]
    """One for each gate."""
    rows: Sequence[Row]
    """The test split, in the order it was scored."""
    answers: Mapping[str, Told]
    """What each subject answered."""
    curve: Sequence[Mapping[str, Any]]
    """Points of the loss curve."""
    card: Mapping[str, Any]
    """The data card."""
    champion: str | None
    """The champion's version."""
    commit: str | None
    """Commit that holds this spec; None while it is not committed."""
    training: Sequence[dict[str, Any]] = ()
    """Every step and evaluation of the training."""
    live: bool = False
    """Whether this version is deployed already."""
    approval: Ruling | None = None
    """Who approved an INCONCLUSIVE of these scores."""
    places: Mapping[str, str] = field(default_factory=dict)
    """`file:line` by row id, of test and training rows."""
    nearest: Mapping[str, Sequence[Nearest]] = field(default_factory=dict)
    """Nearest training rows by test row id."""
    changed: Sequence[SpecChange] = ()
    """What is not as in the version it follows."""
    history: Sequence[HistoryPoint] = ()
    """The primary metric over versions."""
    wear: Wear | None = None
    """How used the test set is."""
