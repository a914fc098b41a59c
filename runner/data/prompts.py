"""Rows -> prompts: what a model is asked, each question once, and the reference answer of a row."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from runner.data.rows import Message, Row, content_id
from runner.digest import canonical_json


@dataclass(frozen=True, slots=True)
class Prompt:
    """Messages up to the answer that is asked for."""

    id: str
    """16 hex digits of the messages' sha256."""
    messages: list[Message]


def prompt_of(row: Row) -> Prompt:
    """Return what a model is asked to see whether it finds the row's last answer."""
    messages = row.messages[:-1]
    return Prompt(content_id(messages), messages)


def prompts_of(rows: Iterable[Row]) -> list[Prompt]:
    """Return the different prompts of rows, sorted by id."""
    unique = {prompt.id: prompt for prompt in map(prompt_of, rows)}
    return [unique[key] for key in sorted(unique)]


def reference_of(row: Row) -> str:
    """Return the answer a row holds to be right: its last assistant turn."""
    return row.messages[-1]["content"]


def prompts_to_jsonl(prompts: Iterable[Prompt]) -> bytes:
    """Encode prompts, one canonical JSON object per line."""
    return b"".join(canonical_json({"id": prompt.id, "messages": prompt.messages}) + b"\n" for prompt in prompts)


def prompts_from_jsonl(data: bytes) -> list[Prompt]:
    """Decode what `prompts_to_jsonl` wrote."""
    values = [json.loads(line) for line in data.split(b"\n") if line]
    return [Prompt(value["id"], value["messages"]) for value in values]
