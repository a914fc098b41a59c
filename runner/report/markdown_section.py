"""A part of a comment in several lengths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a comment, that is shown as long as there is room for."""

    title: str
    """What it is called where it is left out."""
    rank: int
    """Who chooses room first: 0 before 1."""
    write: Callable[[int], str]
    """Writes it with so many rows or examples."""
    most: Sequence[int]
    """The numbers to try, the greatest first."""

    def forms(self) -> Iterator[str]:
        """Yield it whole, then ever shorter."""
        for most in self.most:
            yield self.write(most)


def length(text: str) -> int:
    """Return the length as GitHub counts it, in UTF-16 units, with the empty line that follows."""
    return len(text.encode("utf-16-le")) // 2 + 2


def details(summary: str, body: str) -> str:
    """Return a part that is folded away; the summary must be ours, the body already escaped."""
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"
