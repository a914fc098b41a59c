"""How long work shows that it is alive: it calls `report(Progress(...))`; whoever watches decides how to show that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """One sign of life. `done` of `total` (0: unknown) in `unit`s, with a short note such as `loss 0.41`."""

    what: str
    done: int = 0
    total: int = 0
    unit: str = ""
    note: str = ""


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """Discard progress; for callers that have nobody to tell."""
