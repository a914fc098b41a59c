"""Why steps miss, for a terminal: the nearest record, what differs from it, the rows, and what would be a hit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from runner.plan.changes import words_of
from runner.plan.misses import Miss, RowPlace, RowsDiffer
from runner.report.text import printable


def render_misses(misses: Sequence[Miss], files: Mapping[str, str]) -> str:
    """Render why steps miss.

    Args:
        misses: the steps.
        files: name of each spec's file, by spec.
    """
    if not misses:
        return "Every step is a hit: nothing runs."
    known = [_miss(miss, files[miss.spec].rpartition("/")[2]) for miss in misses if miss.key is not None]
    blocks = [*known, _unknown([miss for miss in misses if miss.key is None])]
    return "\n\n".join("\n".join(map(printable, lines)) for block in blocks if (lines := list(block)))


def _unknown(misses: Sequence[Miss]) -> Iterator[str]:
    for miss in misses:
        yield f"{miss.spec} {miss.step}: its key is not known yet, {miss.reason}"


def _miss(miss: Miss, file: str) -> Iterator[str]:
    yield f"{miss.spec} {miss.step}: no valid record of key {str(miss.key)[:12]}"
    if miss.nearest is None:
        yield f"  {miss.reason}: there is no record to compare with"
        return
    near = miss.nearest
    at = f", commit {near.commit[:12]}" if near.commit else ""
    same = " has this very key" if near.key == miss.key else f" {near.key[:12]}"
    yield f"  nearest:{same}: {near.spec} {near.version}, {near.finished:%Y-%m-%d %H:%M} UTC{at}"
    for change in miss.changes:
        yield f"    {words_of(change, file)}"
    for rows in miss.rows:
        yield from _rows(rows)
    for name in near.missing:
        yield f"    its artifact {name} is lost or damaged"
    if miss.hit_if:
        yield f"  a hit with: {'; '.join(miss.hit_if)}"


def _rows(rows: RowsDiffer) -> Iterator[str]:
    kinds = (("+", rows.added, rows.counts.added), ("−", rows.removed, rows.counts.removed))
    for sign, told, count in (*kinds, ("~", rows.changed, rows.counts.changed)):
        for row in told:
            yield f"      {sign} {_place(row)}"
        if (more := count - len(told)) > 0:
            yield f"      {sign} and {more} more"


def _place(row: RowPlace) -> str:
    return f"{row.id}  {row.file}:{row.line}" if row.file else row.id
