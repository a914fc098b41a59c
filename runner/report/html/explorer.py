"""Test rows -> the explorer: the first changed rows as HTML, and all that fit as compressed data for `page.js`."""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from collections.abc import Sequence

from runner.report.escape import clean
from runner.report.html.cards import TITLES, blank, card
from runner.report.html.markup import Html, el, render
from runner.report.html.metrics import subjects_of
from runner.report.model import TEXT_LIMIT, Report, ReportRow, Status

STATIC_ROWS = 50
"""Rows that are readable without JavaScript."""
_NOTE = 40
"""Characters of the note at the end of a text that the report has cut."""
_GZIP = 31
"""zlib's number for a gzip stream, which is what browsers can read."""
_ORDER: tuple[Status, ...] = ("broken", "fixed", "format_error", "unanswered", "both_wrong", "both_right")
_KEYS = {"j": "next row", "k": "previous", "Enter": "open", "/": "search", "Esc": "leave"}


def explorer(report: Report) -> Html:
    """Make the explorer's section, without its data."""
    rows, titles = _ordered(report), subjects_of(report)
    if not rows:
        return Html("")
    changed = [row for row in rows if row.status in ("broken", "fixed")]
    first = changed or rows
    shown = first[:STATIC_ROWS]
    what = "changed rows" if changed else "rows, of which none changed"
    said = f"{len(shown)} of {len(first)} {what}, of {len(rows)} in all; broken ones first."
    return render(
        _controls(report),
        el("p", said, id="count", role="status"),
        el("div", [card(row, titles) for row in shown], id="list"),
        el("nav", id="pages", aria_label="Pages of rows"),
        el("template", blank(titles), id="row-template"),
    )


def _ordered(report: Report) -> list[ReportRow]:
    """Return the rows by what a reviewer wants to see first, those of one status in the order of the test split."""
    return sorted(report.rows, key=lambda row: _ORDER.index(row.status))


def _controls(report: Report) -> Html:
    found = Counter[str](row.status for row in report.rows)
    found["all"], found["near"] = len(report.rows), sum(row.near for row in report.rows)
    # An answer that breaks the format may be that of a broken row too.
    found["format_error"] = sum(row.status == "format_error" or bool(row.violations) for row in report.rows)
    buttons = [
        el("button", f"{title} ", el("b", found[key]), type="button", data_filter=key, aria_pressed="false")
        for key, title in TITLES.items()
        if found[key]
    ]
    hint = "Search texts and row ids"
    search = el("input", type="search", id="search", placeholder=hint, aria_label=hint, autocomplete="off")
    keys = el("p", [[el("kbd", key), f" {does} "] for key, does in _KEYS.items()], class_="note keys")
    group = el("div", buttons, role="group", aria_label="Which rows")
    return el("form", group, search, keys, id="controls", hidden=True)


def data(report: Report, room: int) -> Html:
    """Make the explorer's data: rows as JSON lines, gzip, base64. Rows that do not fit are counted.

    Args:
        report: what is told.
        room: characters that the page has left.
    """
    rows = _ordered(report)
    packed, kept = _pack(rows, room * 3 // 4 - 1024)
    left = Counter(TITLES[row.status] for row in rows[kept:])
    counted = ", ".join(f"{count} {title}" for title, count in left.items())
    note = f"Left out here, to keep this file small: {counted}. `gitune report --json` has every row."
    payload = Html(base64.b64encode(packed).decode("ascii"))
    return render(
        el("p", note, class_="note", id="left-out") if left else None,
        el("script", payload, type="application/octet-stream", id="row-data"),
    )


def _pack(rows: Sequence[ReportRow], room: int) -> tuple[bytes, int]:
    """Compress rows until the room is full; return the bytes and how many rows are in them."""
    stream = zlib.compressobj(wbits=_GZIP)
    parts: list[bytes] = []
    size = pending = kept = 0
    for row in rows:
        line = _line(row)
        # The compressor holds back a block at most; only near the end is it asked how long that would be.
        if size + pending + len(line) > room and size + len(stream.copy().flush()) + len(line) > room:
            break
        done = stream.compress(line)
        parts.append(done)
        size, pending = size + len(done), 0 if done else pending + len(line)
        kept += 1
    return b"".join([*parts, stream.flush()]), kept


def _line(row: ReportRow) -> bytes:
    told = row.model_dump(exclude_defaults=True, exclude={"values"})
    told |= {"input": _cut(row.input), "expected": _cut(row.expected)}
    told["answers"] = {name: _cut(answer) for name, answer in row.answers.items()}
    return clean(json.dumps(told, ensure_ascii=False)).encode("utf-8") + b"\n"


def _cut(value: str) -> str:
    left = len(value) - TEXT_LIMIT
    return value if left <= _NOTE else f"{value[:TEXT_LIMIT]} … {left:,} more characters"
