"""What says whether a row is right, and the rows' values of a field -> results by value.

Ten slices of 20 rows show a loss of 10 points somewhere in 92 % of pairs of identical models, so only what is left
after Holm's correction is marked, and slices below `FEW_ROWS` are not judged at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from runner.evaluation.compare import EPSILON
from runner.evaluation.statistics import holm, mid_p_mcnemar
from runner.report.model import SliceValue
from runner.report.rows import Judged

FEW_ROWS = 20
"""Rows below which a slice is told and not judged."""


def slice_values(fields: Mapping[str, Sequence[str | None]], judged: Judged) -> list[SliceValue]:
    """Return the results by value of each field, the values with most rows first."""
    found = [
        _slice(field, value, rows, judged) for field, values in fields.items() for value, rows in _by_value(values)
    ]
    told = [(part, p) for part, p in found if part.n]
    tested = [p for part, p in told if not part.small]
    marks = iter(holm(tested, lambda p, error: p <= error))
    return [part if part.small else part.model_copy(update={"marked": next(marks)}) for part, _ in told]


def _by_value(values: Sequence[str | None]) -> Iterator[tuple[str | None, list[int]]]:
    places: dict[str | None, list[int]] = {}
    for at, value in enumerate(values):
        places.setdefault(value, []).append(at)
    yield from sorted(places.items(), key=lambda item: (-len(item[1]), item[0] or ""))


def _slice(field: str, value: str | None, rows: Sequence[int], judged: Judged) -> tuple[SliceValue, float]:
    """Return a slice and the odds that equal models differ as much (for graded metrics those of the sign test)."""
    base, tuned = ([judged.values[name][at] for at in rows] for name in ("base", "tuned"))
    gains = [ours - theirs for theirs, ours in zip(base, tuned, strict=True) if theirs is not None and ours is not None]
    answered = {
        name: [known for at in rows if (known := values[at]) is not None] for name, values in judged.values.items()
    }
    part = SliceValue(
        field=field,
        value=value,
        metric=judged.metric,
        n=len(gains),
        subjects={name: fmean(values) for name, values in answered.items() if values},
        gain=fmean(gains) if gains else 0.0,
        small=len(gains) < FEW_ROWS,
    )
    return part, mid_p_mcnemar(sum(gain > EPSILON for gain in gains), sum(gain < -EPSILON for gain in gains))
