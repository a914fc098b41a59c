"""A contract and a length -> a contract that also refuses answers beyond it."""

from __future__ import annotations

from dataclasses import dataclass

from runner.contract.violation import OutputContract, Violation


@dataclass(frozen=True, slots=True)
class LimitedContract:
    """Accepts what another contract accepts, up to a number of characters.

    White space around the answer does not count, and where JSON is extracted, nor does what stands around it.
    """

    inner: OutputContract
    longest: int

    def extracted(self, text: str) -> str:
        """Return the part of a text that counts as the answer."""
        return self.inner.extracted(text)

    def check(self, text: str) -> list[Violation]:
        """Return every violation, its length first."""
        length = len(self.extracted(text).strip())
        found = self.inner.check(text)
        if length <= self.longest:
            return found
        return [Violation("too_long", f"{length} characters, and {self.longest} are allowed"), *found]
