"""What grades answers one by one with something of its own: a program, an embedding model, a language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Graded:
    """One answer to grade."""

    row: str
    """Id of the test row."""
    input: str
    """What was asked: the conversation before the answer, without system messages."""
    reference: str
    """The answer that the row holds to be right."""
    answer: str
    """What the model answered."""


class Grader(Protocol):
    """Grades answers between 0 and 1."""

    def grade(self, rows: list[Graded]) -> list[float | None]:
        """Return a grade for each answer, in their order; None for one that could not be graded.

        Args:
            rows: answers of one model. A row of several samples occurs once for each.
        """
        ...
