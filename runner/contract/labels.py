"""A list of labels -> a contract: the whole answer is one of them, letter for letter."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from runner.contract.excerpt import excerpt
from runner.contract.violation import OutputContract, Violation
from runner.errors import Location, Problem, SpecError


@dataclass(frozen=True, slots=True)
class LabelsContract:
    """Accepts exactly the labels; white space around the answer is no part of it."""

    labels: tuple[str, ...]

    def extracted(self, text: str) -> str:
        """Return the whole text."""
        return text

    def check(self, text: str) -> list[Violation]:
        """Return a violation unless the answer is a label."""
        answer = text.strip()
        if answer in self.labels:
            return []
        near = difflib.get_close_matches(answer[:200].casefold(), self.labels, n=1)
        meant = f"; the nearest is {near[0]!r}" if near else ""
        return [Violation("not_a_label", f"{excerpt(answer)!r} is none of the {len(self.labels)} labels{meant}")]


def build_labels(labels: Sequence[str], where: Location) -> OutputContract:
    """Build the contract.

    Raises:
        SpecError: for labels that no answer, or more than one label, could match.
    """
    problems = [
        Problem(f"label {label!r} is empty or has white space around it", where, "answers are compared without it")
        for label in labels
        if not label or label != label.strip()
    ]
    problems += [Problem(f"label {label!r} occurs twice", where) for label in sorted(_repeated(labels))]
    if problems:
        raise SpecError(problems)
    return LabelsContract(tuple(labels))


def _repeated(labels: Sequence[str]) -> set[str]:
    return {label for index, label in enumerate(labels) if label in labels[:index]}
