"""Rows of cells -> lines whose columns stand below each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield one line for each row; the last cell of a row is not padded."""
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    for row in rows:
        yield "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)).rstrip()
