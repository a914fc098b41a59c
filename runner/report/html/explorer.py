"""Test rows -> the explorer: the first changed rows as HTML, all that fit as compressed data for `page.js`.

One function makes the card of a row. Filled, it is what a reader without JavaScript sees; empty, it is the template
that the script clones and fills with text, so that the two cannot differ.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence

from runner.report.escape import clean
from runner.report.html.markup import Child, Html, el, render, text
from runner.report.model import TEXT_LIMIT, Report, ReportRow, Status

STATIC_ROWS = 50
"""Rows that are readable without JavaScript."""
STATIC_TEXT = 600
"""Characters of a text in them; the explorer shows more."""
_ONE_LINE = 90
"""Characters of a text in a row's headline."""
_LEVEL = 6
_ORDER: tuple[Status, ...] = ("broken", "fixed", "format_error", "unanswered", "both_wrong", "both_right")
_TITLES: dict[str, str] = {
    "all": "all",
    "broken": "broken",
    "fixed": "fixed",
    "both_wrong": "both wrong",
    "format_error": "format error",
    "unanswered": "unanswered",
    "both_right": "both right",
    "near": "near a training row",
}


def ordered(report: Report) -> list[ReportRow]:
    """Return the rows by what a reviewer wants to see first, those of one status in the order of the test split."""
    return sorted(report.rows, key=lambda row: _ORDER.index(row.status))


def explorer(report: Report) -> Html:
    """Make the explorer's section, without its data."""
    rows = ordered(report)
    changed = [row for row in rows if row.status in ("broken", "fixed")] or rows
    names = [subject.name for subject in report.subjects] or ["base", "tuned"]
    titles = {subject.name: subject.title for subject in report.subjects}
    shown = changed[:STATIC_ROWS]
    cards = [_filled(row, names, titles) for row in shown]
    said = f"{len(shown)} of {len(changed)} changed rows, of {len(rows)} in all; broken ones first."
    return render(
        _controls(report),
        el("p", said, id="count", role="status"),
        el("div", cards, id="list"),
        el("nav", id="pages", aria_label="Pages of rows"),
        el("template", _card(names, titles), id="row-template"),
    )


def _controls(report: Report) -> Html:
    found = Counter[str](row.status for row in report.rows)
    found["all"], found["near"] = len(report.rows), sum(row.near for row in report.rows)
    # What breaks the format may also be broken or fixed, so it is counted by its violations.
    found["format_error"] = sum(row.status == "format_error" or bool(row.violations) for row in report.rows)
    buttons = [
        el("button", f"{title} ", el("b", found[key]), type="button", data_filter=key, aria_pressed="false")
        for key, title in _TITLES.items()
        if found[key]
    ]
    search = el(
        "input",
        type="search",
        id="search",
        placeholder="Search texts and row ids  ( / )",
        autocomplete="off",
        aria_label="Search rows",
    )
    hint = el(
        "p",
        [
            [el("kbd", key), f" {does} "]
            for key, does in (
                ("j", "next row"),
                ("k", "previous"),
                ("Enter", "open"),
                ("/", "search"),
                ("Esc", "leave"),
            )
        ],
        class_="note keys",
    )
    return el("form", el("div", buttons, role="group", aria_label="Which rows"), search, hint, id="controls", hidden=True)  # fmt: skip


def _filled(row: ReportRow, names: Sequence[str], titles: dict[str, str]) -> Html:
    tuned = row.answers.get("tuned", "no answer")
    return _card(
        names,
        titles,
        status=row.status,
        row=row.id,
        head=_one_line(row.input),
        short=f"{_one_line(row.expected)} → {_one_line(tuned)}",
        where=f"row {row.id}" + (f", {row.where}" if row.where else ""),
        input=row.input,
        expected=row.expected,
        answers={name: row.answers.get(name, "no answer") for name in names},
        notes=_notes(row),
        nearest=[_nearest(row)],
    )


def _one_line(value: str) -> str:
    words = " ".join(value[: 4 * _ONE_LINE].split())
    return words if len(words) <= _ONE_LINE and len(value) <= 4 * _ONE_LINE else words[:_ONE_LINE] + "…"


def _notes(row: ReportRow) -> str:
    told = [f"breaks the format: {', '.join(row.violations)}"] if row.violations else []
    told += [f"{field}: {'none' if value is None else value}" for field, value in row.slices.items()]
    return "; ".join([*told, *(["near a training row"] if row.near else [])])


def _nearest(row: ReportRow) -> Iterable[Html]:
    for near in row.nearest:
        said = f"{near.similarity:.0%} alike{', ' + near.where if near.where else ''}: "
        yield el("li", el("span", said, class_="note"), text(f"{near.input} → {near.answer}", STATIC_TEXT))


def _card(
    names: Sequence[str],
    titles: dict[str, str],
    *,
    status: str = "",
    row: str = "",
    head: str = "",
    short: str = "",
    where: str = "",
    input: str = "",  # noqa: A002 - the name of the column
    expected: str = "",
    answers: dict[str, str] | None = None,
    notes: str = "",
    nearest: Sequence[Child] = (),
) -> Html:
    """Make the card of one row; what the script fills has `data-f`."""
    answers = answers or {}
    columns = [_column("expected", "expected", expected)]
    columns += [_column(titles.get(name, name), f"answer:{name}", answers.get(name, "")) for name in names]
    return el(
        "details",
        el(
            "summary",
            el("span", _TITLES.get(status, ""), class_=f"status {status}", data_f="status"),
            el("span", head, class_="t head-text", data_f="head"),
            el("span", short, class_="t short", data_f="short"),
        ),
        el("p", where, class_="note t", data_f="where"),
        _column("input", "input", input),
        el("div", columns, class_="side"),
        el("p", notes, class_="note t", data_f="notes", hidden=not notes),
        el("div", el("h4", "Nearest training rows"), el("ul", *nearest, data_f="nearest"), hidden=not row or not any(nearest)),
        class_="row",
        data_row=row,
    )  # fmt: skip


def _column(title: str, field: str, value: str) -> Html:
    return el("div", el("h4", title), el("pre", text(value, STATIC_TEXT), data_f=field), class_="column")


def data(report: Report, room: int) -> Html:
    """Make the explorer's data: rows as JSON lines, gzip, base64; what does not fit is said.

    Args:
        report: what is told.
        room: characters that the page has left.
    """
    rows = ordered(report)
    packed, kept = _pack(rows, room * 3 // 4 - 1024)
    payload = base64.b64encode(packed).decode("ascii")
    left = Counter(_TITLES[row.status] for row in rows[kept:])
    note = ", ".join(f"{count} {title}" for title, count in left.items())
    return render(
        note and el("p", f"Left out here, to keep this file small: {note}. `gitune report --json` has every row.", class_="note", id="left-out"),
        el("script", Html(payload), type="application/octet-stream", id="data"),
    )  # fmt: skip


def _pack(rows: Sequence[ReportRow], room: int) -> tuple[bytes, int]:
    """Compress rows until the room is full; return the bytes and how many rows are in them."""
    stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, 31)
    parts: list[bytes] = []
    size = pending = kept = 0
    for row in rows:
        line = _line(row)
        # The compressor holds back a block at most; only near the end is it asked how long that would be.
        if size + pending + len(line) > room and size + _flushed(stream) + len(line) > room:
            break
        done = stream.compress(line)
        parts.append(done)
        size, pending = size + len(done), 0 if done else pending + len(line)
        kept += 1
    return b"".join([*parts, stream.flush()]), kept


def _flushed(stream: zlib._Compress) -> int:
    return len(stream.copy().flush())


def _line(row: ReportRow) -> bytes:
    told = row.model_dump(mode="python", exclude_defaults=True, exclude={"values"})
    told["input"], told["expected"] = _cut(row.input), _cut(row.expected)
    told["answers"] = {name: _cut(answer) for name, answer in row.answers.items()}
    return clean(json.dumps(told, ensure_ascii=False)).encode("utf-8") + b"\n"


def _cut(value: str) -> str:
    return (
        value
        if len(value) <= TEXT_LIMIT + 40
        else f"{value[:TEXT_LIMIT]} … {len(value) - TEXT_LIMIT:,} more characters"
    )
