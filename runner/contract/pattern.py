"""A regular expression -> a contract: the whole answer matches it, within a time limit.

The expression must be valid for Python's `re`; it runs in `regex`, the one engine that can be stopped, because a
pattern such as `(a+)+b` would hold the process for ever on a short answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from runner.contract.excerpt import excerpt
from runner.contract.violation import OutputContract, Violation
from runner.errors import Location, Problem, SpecError

TIME_LIMIT = 1.0
"""Seconds for one match; honest patterns need microseconds."""


@dataclass(frozen=True, slots=True)
class PatternContract:
    """Accepts answers that the expression matches from first to last character."""

    pattern: str
    compiled: Any
    """The `regex` module's compiled expression."""

    def extracted(self, text: str) -> str:
        """Return the whole text."""
        return text

    def check(self, text: str) -> list[Violation]:
        """Return a violation unless the whole answer matches in time."""
        try:
            matched = self.compiled.fullmatch(text, timeout=TIME_LIMIT) is not None
        except TimeoutError:
            return [Violation("no_match", f"matching took longer than {TIME_LIMIT:g} s: simplify the expression")]
        if matched:
            return []
        return [Violation("no_match", f"{excerpt(text)!r} does not match {excerpt(self.pattern)}")]


def build_pattern(pattern: str, where: Location) -> OutputContract:
    """Build the contract.

    Raises:
        SpecError: when the expression does not compile.
    """
    return PatternContract(pattern, compile_pattern(pattern, where))


def compile_pattern(pattern: str, where: Location) -> Any:
    """Compile an expression that Python's `re` and the stoppable `regex` both understand.

    Raises:
        SpecError: when one of them does not.
    """
    import regex

    try:
        re.compile(pattern)
        return regex.compile(pattern)
    except (re.error, regex.error, RecursionError, OverflowError) as error:
        raise SpecError([Problem(f"{excerpt(pattern)!r} is no regular expression: {error}", where)]) from error
