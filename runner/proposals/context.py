"""What a comment about a proposal needs to know beyond the proposal itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from runner.proposals.history import PastVerdict

Examples = Literal["full", "masked", "none"]
"""How rows of the test set are shown: as they are, with their letters masked, or not at all."""

LIMIT = 60_000
"""Longest comment in UTF-16 units; GitHub refuses more than 65,536 and posts nothing then."""


@dataclass(frozen=True, slots=True)
class CommentContext:
    """Where and how a proposal is told."""

    run_url: str | None = None
    """The run that tells it."""
    history: Sequence[PastVerdict] = ()
    """What was said before (`read_history` of the comment as it is)."""
    stale: str | None = None
    """The newer head, where the proposal is not the newest commit any more."""
    examples: Examples = "masked"
    """How rows of the test set are shown."""
    commands: bool = False
    """Whether comments with commands are answered here."""
    limit: int = LIMIT
    """Longest text, in UTF-16 units."""
    expires: datetime | None = None
    """When the plan ends to hold whatever happens, UTC; None: only with a new commit."""
    at: datetime | None = None
    """When it was judged, UTC, for the list of earlier verdicts."""
