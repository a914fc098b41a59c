"""Examples as read -> canonical rows: an id made of the content, an order made of the ids, bytes made of both.

Nothing here knows files or lines, so renaming a file, sorting it or moving rows between files changes no byte.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runner.digest import canonical_json
from runner.errors import Location

Message = dict[str, Any]
"""`{"role": "system" | "user" | "assistant" | "tool", "content": "…"}`; an assistant's may hold `tool_calls` (OpenAI's
form, `arguments` as JSON text) and a `weight` other than 1, a tool's its `tool_call_id` and `name`."""

Tool = dict[str, Any]
"""A function that the model may call, in OpenAI's form."""


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation as read from a file."""

    messages: list[Message]
    group: str | None
    where: Location
    tools: list[Tool] | None = None
    rejected: Message | None = None
    fields: Mapping[str, str] | None = None
    """Values of `evaluation.slices` that stand beside the conversation; None when the spec names no slices."""


@dataclass(frozen=True, slots=True)
class Row:
    """A conversation of the canonical dataset."""

    id: str
    """16 hex digits of the content's sha256, `-`, and which occurrence of that content this is (from 0)."""
    messages: list[Message]
    group: str | None = None
    """Value of `split.group_by`."""
    tools: list[Tool] | None = None
    """Functions that the model may call."""
    rejected: Message | None = None
    """The answer that the last message is preferred to, in preference data."""
    fields: Mapping[str, str] | None = None
    """Values of `evaluation.slices` beside the conversation, while rows are prepared; never written with the row."""

    def with_rejected(self) -> Row:
        """Return the row with its rejected answer in place of the preferred one."""
        return self if self.rejected is None else replace(self, messages=[*self.messages[:-1], self.rejected])


def content_id(
    messages: Sequence[Message],
    group: str | None = None,
    tools: Sequence[Tool] | None = None,
    rejected: Message | None = None,
) -> str:
    """Return 16 hex digits that stand for a conversation (with its group, tools and rejected answer, if any)."""
    return hashlib.sha256(canonical_json(_content(messages, group, tools, rejected))).hexdigest()[:16]


def number_rows(examples: Iterable[Example]) -> list[tuple[Row, Location]]:
    """Give every example its id and return rows with their places, in canonical order."""
    seen: Counter[str] = Counter()
    numbered = []
    # Equal conversations with other fields are numbered by these: their order in a file decides nothing.
    for example in sorted(examples, key=beside):
        content = content_id(example.messages, example.group, example.tools, example.rejected)
        row = Row(
            f"{content}-{seen[content]}",
            example.messages,
            example.group,
            example.tools,
            example.rejected,
            example.fields,
        )
        numbered.append((row, example.where))
        seen[content] += 1
    return sorted(numbered, key=lambda item: item[0].id)


def beside(example: Example) -> tuple[tuple[str, str], ...]:
    """Return what stands beside a conversation, as something to sort by."""
    return tuple(sorted(example.fields.items())) if example.fields else ()


def rows_to_jsonl(rows: Iterable[Row]) -> bytes:
    """Encode rows, one canonical JSON object per line."""
    return b"".join(
        canonical_json({"id": row.id, **_content(row.messages, row.group, row.tools, row.rejected)}) + b"\n"
        for row in rows
    )


def rows_from_jsonl(data: bytes) -> list[Row]:
    """Decode what `rows_to_jsonl` wrote."""
    values = [json.loads(line) for line in data.split(b"\n") if line]
    return [
        Row(
            value["id"],
            value["messages"],
            value.get("group"),
            tools_from_json(value.get("tools")),
            value.get("rejected"),
        )
        for value in values
    ]


def tools_to_json(tools: Sequence[Tool]) -> str:
    """Return tools as text: their keys keep the order in which models are shown them."""
    return json.dumps(list(tools), ensure_ascii=False)


def tools_from_json(text: str | None) -> list[Tool] | None:
    """Decode what `tools_to_json` wrote."""
    return None if text is None else json.loads(text)


def text_of(message: Message) -> str:
    """Return what a message says: its content, then its calls of tools, one `{"name", "arguments"}` a line."""
    lines = [message["content"]] if message["content"] else []
    for call in message.get("tool_calls") or ():
        function = call["function"]
        lines.append(
            f'{{"name": {json.dumps(function["name"], ensure_ascii=False)}, "arguments": {function["arguments"]}}}'
        )
    return "\n".join(lines)


def input_of(messages: Sequence[Message]) -> str:
    """Return the normalised input of a conversation: what stands before the last answer, without system messages.

    Two rows with the same input ask the same, whatever their case, width of letters or white space.
    """
    turns = [turn for turn in messages[:-1] if turn["role"] != "system"]
    if len(turns) == 1:
        return normalise(turns[0]["content"])
    return "\n".join(f"{turn['role']}: {normalise(text_of(turn))}" for turn in turns)


def normalise(text: str) -> str:
    """Fold case, compatibility forms and white space (Unicode default caseless matching, NFKC)."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).casefold()
        # Folding can leave NFKC (U+0345), so normalise again.
        text = unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


def _content(
    messages: Sequence[Message], group: str | None, tools: Sequence[Tool] | None, rejected: Message | None
) -> dict[str, Any]:
    content: dict[str, Any] = {"messages": list(messages)}
    if group is not None:
        content["group"] = group
    if tools is not None:
        content["tools"] = tools_to_json(tools)
    if rejected is not None:
        content["rejected"] = rejected
    return content
