"""`Difference` -> text for a terminal, or Markdown for a comment.

Values come from users' files: control characters are shown, not sent, and in Markdown nothing of them is markup.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from runner.plan.difference import Difference, SpecDifference
from runner.plan.model import Change
from runner.report.escape import inline
from runner.report.table import table
from runner.report.text import printable
from runner.spec.config import CONFIG_FILE

MAX_ROWS = 50
"""Changes of one spec that Markdown shows."""

LIMIT = 60_000
"""Longest Markdown, in UTF-16 units as GitHub counts."""

_SHA256 = 64
_LONGEST = 60


def render_difference(difference: Difference, *, coloured: bool) -> str:
    """Render for a terminal: each spec with its class, then what changed."""
    head = [f"{_sides(difference)}: {_counts(difference)}"]
    blocks = ["\n".join(head + [f"  {_words(change, CONFIG_FILE)}" for change in difference.config])]
    blocks += ["\n".join(_spec(spec, coloured=coloured)) for spec in difference.specs]
    return _printable("\n\n".join(blocks), coloured=coloured)


def markdown_difference(difference: Difference) -> str:
    """Render for a comment: a table of specs, then what changed in each, folded."""
    rows = [
        [
            inline(spec.name),
            _versions(spec),
            inline(spec.change_class.replace("_", " ")),
            inline(_loud(spec)) or "–",
            _rows(spec) or "–",
        ]
        for spec in difference.specs
    ]
    parts = [f"{_sides(difference)}: {_counts(difference)}"]
    if rows:
        parts.append(table(["spec", "version", "change", "judged by", "rows"], rows, MAX_ROWS))
    if difference.config:
        parts.append(f"{CONFIG_FILE} changed:\n\n{_changes_table(difference.config)}")
    parts += [f"{inline(spec.name)}: {inline(spec.note)}" for spec in difference.specs if spec.note][:MAX_ROWS]
    folded = [_folded(spec) for spec in difference.specs if spec.changes]
    room = LIMIT - sum(map(_length, parts))
    shown = 0
    while shown < len(folded) and (room := room - _length(folded[shown])) >= 0:
        shown += 1
    if left_out := len(folded) - shown:
        folded[shown:] = [f"The changes of {left_out} more specs were left out: the comment would be too long."]
    return "\n\n".join([*parts, *folded])


def _folded(spec: SpecDifference) -> str:
    body = _changes_table(spec.changes)
    return f"<details><summary>{inline(spec.name)}</summary>\n\n{body}\n\n</details>"


def _length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2 + 2


def _printable(text: str, *, coloured: bool) -> str:
    """Show control characters of every line as escapes, our own colours excepted."""
    lines = text.split("\n")
    return "\n".join(line if coloured and line.startswith("\x1b[") else printable(line) for line in lines)


def _sides(difference: Difference) -> str:
    return f"{difference.old[:8]} → {difference.new[:8] if difference.new else 'working tree'}"


def _counts(difference: Difference) -> str:
    specs = len(difference.specs)
    changed = "no spec differs" if not specs else f"{specs} spec{' differs' if specs == 1 else 's differ'}"
    return f"{changed}, {difference.unchanged} unchanged"


def _spec(spec: SpecDifference, *, coloured: bool) -> Iterator[str]:
    head = printable(f"{spec.name} {_versions(spec)}  {spec.words}")
    yield f"\x1b[{'1;33' if spec.flags else '1'}m{head}\x1b[0m" if coloured else head
    for change in spec.changes:
        yield f"  {_words(change, PurePosixPath(spec.file).name)}"
    if rows := _rows(spec):
        yield f"  rows: {rows}"
    if spec.note:
        yield f"  note: {spec.note}"


def _versions(spec: SpecDifference) -> str:
    if spec.old_version == spec.new_version:
        return spec.new_version or ""
    return " → ".join(version for version in (spec.old_version, spec.new_version) if version)


def _loud(spec: SpecDifference) -> str:
    return ", ".join(flag.replace("_", " ") for flag in spec.flags)


def _rows(spec: SpecDifference) -> str:
    return ", ".join(f"{split} {count}" for split, count in spec.rows.items())


def _words(change: Change, file: str) -> str:
    where = f" ({file}:{change.line})" if change.line else ""
    if change.old is None:
        return f"+ {change.path} {_short(change.new)}{where}"
    if change.new is None:
        return f"- {change.path} {_short(change.old)}{where}"
    return f"~ {change.path} {_short(change.old)} → {_short(change.new)}{where}"


def _changes_table(changes: Sequence[Change]) -> str:
    rows = [
        [inline(change.path), inline(_short(change.old)), inline(_short(change.new)), str(change.line or "")]
        for change in changes
    ]
    return table(["what", "was", "is", "line"], rows, MAX_ROWS)


def _short(value: object) -> str:
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) == _SHA256 and not set(text) - set("0123456789abcdef"):
        return text[:8]
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
