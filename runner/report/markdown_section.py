"""A part of a comment in several lengths, and the choice of lengths that fit together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a comment, that is shown as long as there is room for it."""

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


def fit(sections: Sequence[Section], room: int) -> list[str | None]:
    """Choose for every section the longest form that still fits; the important ones choose first.

    Args:
        sections: in the order of the comment.
        room: UTF-16 units for all of them.

    Returns:
        Their texts in the same order; None where even the shortest does not fit.
    """
    chosen: list[str | None] = [None] * len(sections)
    for at in sorted(range(len(sections)), key=lambda at: sections[at].rank):
        chosen[at] = next((text for text in sections[at].forms() if length(text) <= room), None)
        room -= length(chosen[at] or "")
    return chosen


def left_out(sections: Sequence[Section], chosen: Sequence[str | None]) -> list[str]:
    """Name the sections that did not fit."""
    return [section.title for section, text in zip(sections, chosen, strict=True) if text is None]


def length(text: str) -> int:
    """Return the length as GitHub counts it, in UTF-16 units, with the empty line that follows."""
    return len(text.encode("utf-16-le")) // 2 + 2


def details(summary: str, body: str, *, unfolded: bool = False) -> str:
    """Return a part that can be folded away; the summary must be ours or escaped, the body already escaped."""
    return f"<details{' open' if unfolded else ''}><summary>{summary}</summary>\n\n{body}\n\n</details>"
