"""Rows of escaped cells -> a Markdown table, cut to a number of rows."""

from __future__ import annotations

from collections.abc import Sequence


def table(header: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> str:
    """Render a table; cells must already be escaped.

    Args:
        header: column titles.
        rows: one cell per column.
        most: rows that are shown; the last line says how many are not.
    """
    lines = [header, ["---"] * len(header), *rows[:most]]
    text = "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
    left_out = len(rows) - most
    return f"{text}\n\n{left_out} more rows were left out: the comment would be too long." if left_out > 0 else text
