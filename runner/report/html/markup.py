"""Strings and numbers -> HTML, in which only what was made here is markup.

A template language would be one more dependency to do what one function and a type do: `el` escapes every child and
attribute that is not `Html`, so a forgotten escape is a type that does not exist and not a hole in the page.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import TypeAlias

from runner.report.escape import clean
from runner.report.figures import change
from runner.report.parts import Unit

_VOID = frozenset({"meta", "link", "input", "br"})


class Html(str):
    """Markup that was made by `el`, or is a constant of this package."""

    __slots__ = ()


Child: TypeAlias = "str | int | float | Iterable[Child] | None"
"""What stands inside an element; None stands for nothing."""


def el(name: str, /, *children: Child, **attributes: str | float | bool | None) -> Html:
    """Make one element.

    Args:
        name: tag name; a constant, never data.
        children: text, which is escaped, and markup, which is not.
        attributes: `class_` and `for_` lose their last underscore, others turn underscores into hyphens; None and False
            leave an attribute out, True gives it without a value.
    """
    told = "".join(_attribute(item) for item in attributes.items())
    return Html(f"<{name}{told}>" if name in _VOID else f"<{name}{told}>{render(*children)}</{name}>")


def render(*children: Child) -> Html:
    """Join markup and text, escaping the text."""
    return Html("".join(_child(child) for child in children))


def _child(child: Child) -> str:
    match child:
        case None:
            return ""
        case Html():
            return child
        case str():
            return html.escape(clean(child))
        case int() | float():
            return html.escape(f"{child:g}" if isinstance(child, float) else str(child))
        case _:
            return render(*child)


def _attribute(item: tuple[str, str | float | bool | None]) -> str:
    key, value = item
    if value is None or value is False:
        return ""
    name = key.removesuffix("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(clean(_said(value)))}"'


def _said(value: str | float) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def text(value: str, limit: int = 4000) -> Html:
    """Show text of data or models: line breaks kept, its reading direction kept to itself, cut with a note."""
    shown = value if len(value) <= limit else value[:limit]
    left = len(value) - len(shown)
    note = el("span", f" … {left:,} more characters", class_="note") if left else None
    return render(el("span", shown, class_="t"), note)


def difference(value: float, unit: Unit) -> str:
    """Say a difference that stands alone: `+19.0 points`."""
    return f"{change(value, unit)}{' points' if unit == 'share' else ''}"


def table(header: Iterable[Child], rows: Iterable[Iterable[Child]], *, caption: str, class_: str | None = None) -> Html:
    """Make a table that scrolls on its own where the page is narrow; the first cell of a row heads it."""
    body = [el("tr", _row(list(cells))) for cells in rows]
    head = el("thead", el("tr", [el("th", cell, scope="col") for cell in header]))
    inner = el("table", el("caption", caption), head, el("tbody", body), class_=class_)
    # Focusable, so that the keyboard can scroll it.
    return el("div", inner, class_="scroll", tabindex=0, role="region", aria_label=caption)


def _row(cells: list[Child]) -> Iterable[Html]:
    for place, cell in enumerate(cells):
        if isinstance(cell, Html) and cell.startswith("<td"):
            yield cell
        else:
            yield el("td", cell) if place else el("th", cell, scope="row")
