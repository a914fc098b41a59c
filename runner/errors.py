"""The one error tree: what happened, where (file:line:column), and what to do about it.

Every error a person can cause or mend is a `GituneError`; the command line prints it without a traceback and exits
with its `exit_code`. Terminal and transient failures are classes, because the reconciler remembers the first and
retries the second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a user's file; line and column count from 1."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        parts = [self.file, *(str(n) for n in (self.line, self.column) if n is not None)]
        return ":".join(parts)


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding in a user's file: what is wrong, where, and the remedy."""

    message: str
    where: Location
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" + (f"\n    {self.hint}" if self.hint else "")


class GituneError(Exception):
    """Something a person can mend. `hint` says how, `where` points at the cause."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", where: Location | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.where = where

    def __str__(self) -> str:
        head = f"{self.where}: {self.message}" if self.where else self.message
        return f"{head}\n    {self.hint}" if self.hint else head


class SpecError(GituneError):
    """A spec, lock or config file is wrong; carries every problem found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        # Pickle would call the class with the message; errors travel between processes.
        return type(self), (self.problems,), self.__dict__


class UsageError(GituneError):
    """The command was called in a way that cannot work."""

    exit_code = 64


class DataError(SpecError):
    """A data check failed; carries every finding."""

    exit_code = 5


class RegistryError(GituneError):
    """The store is unreachable, or something in it is missing or does not match its digest."""


class ConflictError(RegistryError):
    """Somebody else wrote first: plan again."""


class TerminalError(GituneError):
    """The same inputs will fail the same way; remembered under `failures/` and not tried again without --retry."""


class TransientError(GituneError):
    """Trying again later may succeed."""
