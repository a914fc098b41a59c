"""Examples as read -> canonical rows: an id made of the content, an order made of the ids, bytes made of both.

Nothing here knows files or lines, so renaming a file, sorting it or moving rows between files changes no byte.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from runner.digest import canonical_json
from runner.errors import Location

Message = dict[str, str]
"""`{"role": "system" | "user" | "assistant", "content": "…"}`"""


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation as read from a file."""

    messages: list[Message]
    group: str | None
    where: Location


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation of the canonical dataset."""

    id: str
    """16 hex digits of the content's sha256, `-`, and which occurrence of that content this is (from 0)."""
    messages: list[Message]
    group: str | None = None
    """Value of `split.group_by`."""


def content_id(messages: Sequence[Message], group: str | None = None) -> str:
    """Return 16 hex digits that stand for a conversation (and its group, when it has one)."""
    return hashlib.sha256(canonical_json(_content(messages, group))).hexdigest()[:16]


def number_rows(examples: Iterable[Example]) -> list[tuple[Row, Location]]:
    """Give every example its id and return rows with their places, in canonical order."""
    seen: Counter[str] = Counter()
    numbered = []
    for example in examples:
        content = content_id(example.messages, example.group)
        numbered.append((Row(f"{content}-{seen[content]}", example.messages, example.group), example.where))
        seen[content] += 1
    return sorted(numbered, key=lambda item: item[0].id)


def rows_to_jsonl(rows: Iterable[Row]) -> bytes:
    """Encode rows, one canonical JSON object per line."""
    return b"".join(canonical_json({"id": row.id, **_content(row.messages, row.group)}) + b"\n" for row in rows)


def rows_from_jsonl(data: bytes) -> list[Row]:
    """Decode what `rows_to_jsonl` wrote."""
    values = [json.loads(line) for line in data.split(b"\n") if line]
    return [Row(value["id"], value["messages"], value.get("group")) for value in values]


def input_of(messages: Sequence[Message]) -> str:
    """Return the normalised input of a conversation: what stands before the last answer, without system messages.

    Two rows with the same input ask the same, whatever their case, width of letters or white space.
    """
    turns = [turn for turn in messages[:-1] if turn["role"] != "system"]
    if len(turns) == 1:
        return normalise(turns[0]["content"])
    return "\n".join(f"{turn['role']}: {normalise(turn['content'])}" for turn in turns)


def normalise(text: str) -> str:
    """Fold case, compatibility forms and white space (Unicode default caseless matching, NFKC)."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).casefold()
        # Folding can leave NFKC (U+0345), so normalise again.
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


def _content(messages: Sequence[Message], group: str | None) -> dict[str, Any]:
    return {"messages": list(messages)} if group is None else {"messages": list(messages), "group": group}
