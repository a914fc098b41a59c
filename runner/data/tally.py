"""What the rows of one file look like -> findings told once per file, with a count and the first lines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Generic, TypeVar

from runner.contract.excerpt import excerpt
from runner.data.findings import Findings
from runner.data.formats import REQUIRED, RowShape
from runner.errors import Location

Seen = TypeVar("Seen")

_LINES_SHOWN = 5
_KEYS_SHOWN = 8


class Places(Generic[Seen]):
    """Where each kind of thing was seen: how often, and the first few places."""

    def __init__(self) -> None:
        self.counts: Counter[Seen] = Counter()
        self._first: dict[Seen, list[Location]] = {}

    def note(self, seen: Seen, where: Location) -> None:
        """Count one more."""
        self.counts[seen] += 1
        if len(first := self._first.setdefault(seen, [])) < _LINES_SHOWN:
            first.append(where)

    def first(self, seen: Seen) -> Location:
        """Return the first place."""
        return self._first[seen][0]

    def told(self, seen: Seen) -> str:
        """Word the count and the first lines: `12 rows, line 3, 7, 8, 9, 11, …`."""
        count, lines = self.counts[seen], ", ".join(str(place.line) for place in self._first[seen])
        return f"{count} row{'s' if count > 1 else ''}, line {lines}{', …' if count > _LINES_SHOWN else ''}"


class FileTally:
    """Collects what is better told about a file than about each of its rows."""

    def __init__(self) -> None:
        self.shapes: Places[RowShape] = Places()
        self.unknown: Places[tuple[str, ...]] = Places()
        """Rows in no known format, by their keys."""
        self.unused: Places[str] = Places()
        """Keys that nothing reads, as JSON Pointers."""

    def tell(self, findings: Findings) -> None:
        """Add what was seen to `findings`."""
        for keys in self.unknown.counts:
            message = f"no known format: keys {_listed(keys)} ({self.unknown.told(keys)})"
            findings.add("unknown_format", "error", message, self.unknown.first(keys), hint=_format_hint())
        if len(self.shapes.counts) > 1:
            kinds = "; ".join(f"`{shape}` ({self.shapes.told(shape)})" for shape in self.shapes.counts)
            rarest = min(self.shapes.counts, key=lambda shape: self.shapes.counts[shape])
            hint = "one file holds one format: move the others to a file of their own"
            findings.add("mixed_formats", "error", f"several formats: {kinds}", self.shapes.first(rarest), hint=hint)
        for pointer in self.unused.counts:
            message = f"key {excerpt(pointer)} is not used ({self.unused.told(pointer)})"
            findings.add("unknown_key", "warn", message, self.unused.first(pointer))


def _listed(keys: Sequence[str]) -> str:
    shown = [repr(excerpt(key, 30)) for key in keys[:_KEYS_SHOWN]]
    return ", ".join([*shown, "…"] if len(keys) > _KEYS_SHOWN else shown) or "(none)"


def _format_hint() -> str:
    known = "; ".join(f"{shape}: {', '.join(needed)}" for shape, needed in REQUIRED.items())
    return f"rename the keys to those of a known format ({known})"
