"""Comparison -> text for a terminal, or Markdown. Answers and rows are untrusted: shown, never interpreted."""

from __future__ import annotations

from collections.abc import Iterator

from runner.evaluation.words import percent, points
from runner.report.comparison import ComparedRow, Comparison, Neighbour
from runner.report.escape import clean, fence, inline
from runner.report.markdown import LIMIT
from runner.report.markdown_details import INPUT_LIMIT
from runner.report.markdown_section import details, length
from runner.report.rows import shorten

SHOWN = {"broken": 20, "fixed": 10, "both_wrong": 0}
"""Rows of each kind that are shown; JSON has all."""

_TITLES = {"broken": "Broken", "fixed": "Fixed", "both_wrong": "Wrong in both"}
_WIDTH = 200


def comparison_text(found: Comparison) -> str:
    """Render for a terminal."""
    lines = [_headline(found), _sentence(found)]
    for kind, rows, total in _parts(found):
        lines += ["", f"{_TITLES[kind]}: {_shown(len(rows), total)}"]
        for row in rows:
            lines += [f"  row {row.row}"]
            lines += [f"    {name:<9}{_line(text)}" for name, text in _texts(found, row)]
            lines += [f"    {'near':<9}{_line(_near(one))}" for one in row.nearest]
    return "\n".join(lines)


def comparison_markdown(found: Comparison) -> str:
    """Render for a comment: with as many rows as there is room for."""
    head = [f"**{inline(_headline(found))}**", inline(_sentence(found))]
    most = max(SHOWN.values())
    while length(text := "\n\n".join([*head, *_folded(found, most)]) + "\n") > LIMIT:
        most -= 1
    return text


def _folded(found: Comparison, most: int) -> Iterator[str]:
    for kind, rows, total in _parts(found):
        body = []
        for row in rows[:most]:
            lines = [f"row {row.row}"]
            for name, text in _texts(found, row):
                lines += [name, *(f"    {line}" for line in clean(shorten(text, INPUT_LIMIT)).split("\n"))]
            lines += [f"near: {_line(_near(one))}" for one in row.nearest]
            body.append(fence("\n".join(lines)))
        yield details(f"{_TITLES[kind]}: {_shown(len(body), total)}", "\n\n".join(body))


def _headline(found: Comparison) -> str:
    told = " → ".join("?" if value is None else percent(value) for value in (found.before, found.after))
    gain = ""
    if found.difference is not None and found.low is not None and found.high is not None:
        gain = (
            f" ({points(found.difference)} points, one-sided 95 % bounds {points(found.low)} and {points(found.high)})"
        )
    return f"{found.name} {found.old} → {found.new}: {found.metric} {told}{gain}, n = {found.n}"


def _sentence(found: Comparison) -> str:
    counts = found.counts
    by = "" if found.right_by == found.metric else f" by {found.right_by}"
    out = f"; {found.left_out} rows that only one of them answered are left out" if found.left_out else ""
    return (
        f"{counts['fixed']} fixed, {counts['broken']} broken, {counts['both_wrong']} wrong in both, "
        f"{counts['both_right']} right in both{by}{out}"
    )


def _parts(found: Comparison) -> Iterator[tuple[str, list[ComparedRow], int]]:
    for kind, most in SHOWN.items():
        rows = [row for row in found.rows if row.status == kind]
        if rows and most:
            yield kind, rows[:most], len(rows)


def _shown(shown: int, total: int) -> str:
    return f"{total} rows" if shown == total else f"{shown} of {total} rows (--json has all)"


def _texts(found: Comparison, row: ComparedRow) -> Iterator[tuple[str, str]]:
    yield "input", row.input
    yield "expected", row.expected
    yield found.old, row.before
    yield found.new, row.after


def _line(text: str) -> str:
    words = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return words if len(words) <= _WIDTH else f"{words[:_WIDTH]}…"


def _near(one: Neighbour) -> str:
    new = ", new in this version" if one.new else ""
    said = f": {one.input} → {one.answer}" if one.input else ""
    return f"{one.similarity:.2f} {one.where or one.row}{new}{said}"
