"""Rows -> prompts: what a model is asked, each question once, and the reference answer of a row."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from runner.data.rows import Message, Row, Tool, content_id, text_of, tools_from_json, tools_to_json
from runner.digest import canonical_json


@dataclass(frozen=True, slots=True)
class Prompt:
    """Messages up to the answer that is asked for."""

    id: str
    """16 hex digits of the messages' sha256."""
    messages: list[Message]
    tools: list[Tool] | None = None
    """Functions that the model may call."""


def prompt_of(row: Row) -> Prompt:
    """Return what a model is asked to see whether it finds the row's last answer."""
    return prompt_before(row, len(row.messages) - 1)


def prompt_before(row: Row, turn: int) -> Prompt:
    """Return what a model is asked when it writes a turn of the row, counted from 0."""
    messages = [_asked(message) for message in row.messages[:turn]]
    return Prompt(content_id(messages, tools=row.tools), messages, row.tools)


def _asked(message: Message) -> Message:
    """Leave out how much a turn is learned: no engine is told."""
    return {key: value for key, value in message.items() if key != "weight"} if "weight" in message else message


def prompts_of(rows: Iterable[Row]) -> list[Prompt]:
    """Return the different prompts of rows, sorted by id."""
    unique = {prompt.id: prompt for prompt in map(prompt_of, rows)}
    return [unique[key] for key in sorted(unique)]


def reference_of(row: Row) -> str:
    """Return the answer a row holds to be right: its last assistant turn."""
    return text_of(row.messages[-1])


def prompts_to_jsonl(prompts: Iterable[Prompt]) -> bytes:
    """Encode prompts, one canonical JSON object per line."""
    return b"".join(canonical_json(_plain(prompt)) + b"\n" for prompt in prompts)


def _plain(prompt: Prompt) -> dict[str, Any]:
    plain: dict[str, Any] = {"id": prompt.id, "messages": prompt.messages}
    return plain if prompt.tools is None else plain | {"tools": tools_to_json(prompt.tools)}


def prompts_from_jsonl(data: bytes) -> list[Prompt]:
    """Decode what `prompts_to_jsonl` wrote."""
    values = [json.loads(line) for line in data.split(b"\n") if line]
    return [Prompt(value["id"], value["messages"], tools_from_json(value.get("tools"))) for value in values]
