"""Untrusted text -> a short, printable excerpt that is safe on a terminal and in a log."""

from __future__ import annotations


def excerpt(text: str, limit: int = 80) -> str:
    """Cut `text` to about `limit` characters and escape what is not printable, such as terminal control codes."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return shown if shown.isprintable() else "".join(map(_printable, shown))


def _printable(character: str) -> str:
    return character if character.isprintable() else repr(character)[1:-1]
