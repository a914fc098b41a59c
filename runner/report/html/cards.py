"""One test row -> its card. Filled, it is what a reader without JavaScript sees; empty, it is the template that
`page.js` clones and fills with text, so that the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from runner.report.html.markup import Html, el, text
from runner.report.model import ReportRow

STATIC_TEXT = 600
"""Characters of a text that are readable without JavaScript; the explorer shows more."""
_HEAD = 90
"""Characters of a text in the line that stands for a row."""

TITLES: Mapping[str, str] = {
    "all": "all",
    "broken": "broken",
    "fixed": "fixed",
    "both_wrong": "both wrong",
    "format_error": "format error",
    "unanswered": "unanswered",
    "both_right": "both right",
    "near": "near a training row",
}
"""Filters of the explorer in words; what became of a row is one of them."""
_NO_ANSWER = "no answer"


def card(row: ReportRow, titles: Mapping[str, str]) -> Html:
    """Make the card of a row, with an answer of every model in `titles`."""
    heads = (TITLES[row.status], _one_line(row.input), _short(row))
    answers = {name: row.answers.get(name, _NO_ANSWER) for name in titles}
    texts = {"input": row.input, "expected": row.expected, **answers}
    where = f"row {row.id}" + (f", {row.where}" if row.where else "")
    return _card(titles, row.status, heads, where, texts, _notes(row), [*_nearest(row)])


def blank(titles: Mapping[str, str]) -> Html:
    """Make the card of no row, for the script to fill."""
    return _card(titles, "", ("", "", ""), "", {}, "", [])


def _card(
    titles: Mapping[str, str],
    status: str,
    heads: tuple[str, str, str],
    where: str,
    texts: Mapping[str, str],
    notes: str,
    nearest: list[Html],
) -> Html:
    """Make a card; what the script fills is named by `data-f`."""
    columns = [_column("expected", "expected", texts.get("expected", ""))]
    columns += [_column(title, f"answer:{name}", texts.get(name, "")) for name, title in titles.items()]
    said, head, short = heads
    return el(
        "details",
        el(
            "summary",
            el("span", said, class_=f"status {status}", data_f="status"),
            el("span", head, class_="t", data_f="head"),
            el("span", short, class_="t short", data_f="short"),
        ),
        el("p", where, class_="note t", data_f="where"),
        _column("input", "input", texts.get("input", "")),
        el("div", columns, class_="side"),
        el("p", notes, class_="note t", data_f="notes", hidden=not notes),
        el("div", el("h4", "Nearest training rows"), el("ul", nearest, data_f="nearest"), hidden=not nearest),
        class_="row",
    )


def _column(title: str, field: str, value: str) -> Html:
    shown = el("pre", text(value, STATIC_TEXT), data_f=field)
    return el("div", el("h4", text(title, 80)), shown, class_="column")


def _short(row: ReportRow) -> str:
    return f"{_one_line(row.expected)} → {_one_line(row.answers.get('tuned', _NO_ANSWER))}"


def _one_line(value: str) -> str:
    words = " ".join(value[: 4 * _HEAD].split())
    return words if len(words) <= _HEAD and len(value) <= 4 * _HEAD else f"{words[:_HEAD]}…"


def _notes(row: ReportRow) -> str:
    told = [f"breaks the format: {', '.join(row.violations)}"] if row.violations else []
    told += [f"{field}: {'none' if value is None else value}" for field, value in row.slices.items()]
    return "; ".join([*told, *([TITLES["near"]] if row.near else [])])


def _nearest(row: ReportRow) -> Iterable[Html]:
    for near in row.nearest:
        said = f"{near.similarity:.0%} alike{f', {near.where}' if near.where else ''}: "
        yield el("li", el("span", text(said, 300), class_="note"), text(f"{near.input} → {near.answer}", STATIC_TEXT))
