"""What is wrong with the data: findings, collected so that all are told at once and a flood stays readable.

Texts of rows reach a finding only masked and cut: messages go to logs, reports and pull request comments.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal

from runner.contract.excerpt import excerpt
from runner.data.pii import mask
from runner.errors import DataError, Location, Problem

Severity = Literal["error", "warn", "info"]

MAX_SAMPLES = 5
"""Findings of one code that are told in full; the rest is a count."""

SAMPLE_WIDTH = 80
MESSAGE_WIDTH = 500


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing worth knowing about the data."""

    code: str
    severity: Severity
    message: str
    where: Location
    pointer: str = ""
    """JSON Pointer (RFC 6901) into the row."""
    sample: str = ""
    """Short excerpt, masked."""
    hint: str = ""

    def problem(self) -> Problem:
        """Return the finding as an error message."""
        place = f" at {self.pointer}" if self.pointer else ""
        sample = f": {self.sample}" if self.sample else ""
        return Problem(f"{self.message}{place}{sample} [{self.code}]", self.where, self.hint)

    def as_json(self) -> dict[str, Any]:
        """Return the finding as a JSON object without empty members."""
        flat = asdict(self) | {"where": str(self.where)}
        return {name: value for name, value in flat.items() if value}


class Findings:
    """Collects findings: the first few of each code in full, how many there are of all."""

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._counts: Counter[tuple[str, Severity]] = Counter()
        self._next: dict[tuple[str, Severity], Location] = {}

    def add(
        self,
        code: str,
        severity: Severity,
        message: str,
        where: Location,
        *,
        pointer: str = "",
        sample: str = "",
        hint: str = "",
    ) -> None:
        """Add a finding.

        `sample` is masked and cut here; a `message` that quotes a row is masked by its caller, because one that names
        files must not be.
        """
        kind = (code, severity)
        self._counts[kind] += 1
        if self._counts[kind] <= MAX_SAMPLES:
            # Cut before masking bounds the work on a line of a megabyte, cut after it keeps a half number from showing.
            shown = excerpt(mask(sample[: 4 * SAMPLE_WIDTH]), SAMPLE_WIDTH)
            told = excerpt(message, MESSAGE_WIDTH)
            self._kept.append(Finding(code, severity, told, where, excerpt(pointer), shown, hint))
        elif self._counts[kind] == MAX_SAMPLES + 1:
            self._next[kind] = where

    def has_errors(self) -> bool:
        """Whether anything found so far is an error."""
        return any(severity == "error" for _, severity in self._counts)

    def all(self) -> list[Finding]:
        """Return what was found, in order; a count stands for what exceeds the samples."""
        rest = [
            Finding(code, severity, f"and {self._counts[code, severity] - MAX_SAMPLES} more, the next here", where)
            for (code, severity), where in self._next.items()
        ]
        return [*self._kept, *rest]

    def counts(self) -> list[dict[str, Any]]:
        """Return how often each code was found, for the card."""
        return [
            {"code": code, "severity": severity, "count": count}
            for (code, severity), count in sorted(self._counts.items())
        ]

    def raise_errors(self) -> None:
        """Raise all errors together.

        Raises:
            DataError: when there is an error.
        """
        if self.has_errors():
            raise DataError([found.problem() for found in self.all() if found.severity == "error"])
