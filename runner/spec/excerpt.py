"""A stranger's text -> what of it an error message may repeat: short, on one line, and harmless to a terminal."""

from __future__ import annotations

LONGEST = 60


def excerpt(text: str) -> str:
    """Return the beginning of a text, with `�` for everything that is not printable."""
    shown = "".join(char if char.isprintable() else "�" for char in text[:LONGEST])
    return f"{shown}…" if len(text) > LONGEST else shown
