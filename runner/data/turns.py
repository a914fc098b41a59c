"""Turns as rows write them, in OpenAI's or ShareGPT's form -> messages, or the faults that keep them from it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.data.faults import Fault
from runner.data.rows import Message, Tool
from runner.data.tool_calls import read_calls

# What a message may hold beside its role and text.
_EXTRAS: Mapping[str | None, tuple[str, ...]] = {
    "assistant": ("tool_calls", "weight"),
    "tool": ("tool_call_id", "name"),
}

ROLES = ("system", "user", "assistant")
OPENAI_ROLES = {role: role for role in (*ROLES, "tool")}
SHAREGPT_ROLES = {"human": "user", "gpt": "assistant"} | {role: role for role in ROLES}
_MEANT = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "developer": "system"}


@dataclass(slots=True)
class Conversion:
    """What became of a row: messages if there are no faults, and the keys that nothing reads."""

    messages: list[Message] = field(default_factory=list)
    rejected: Message | None = None
    """The answer that the last message is preferred to, in preference data."""
    tools: list[Tool] | None = None
    faults: list[Fault] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    """JSON Pointers, with `*` for positions in a list."""


def read_turns(turns: Any, name: str, result: Conversion, *, sharegpt: bool = False) -> list[Message]:
    """Return the messages of a list of turns; what is wrong with them goes to `result`.

    Args:
        turns: the list.
        name: JSON Pointer of the list in its row, without the first slash.
        result: takes faults and unused keys.
        sharegpt: whether turns are `{"from", "value"}` instead of `{"role", "content"}`.
    """
    keys = ("from", "value") if sharegpt else ("role", "content")
    roles = SHAREGPT_ROLES if sharegpt else OPENAI_ROLES
    messages: list[Message] = []
    if not isinstance(turns, list):
        hint = "write the list itself, not a string that holds it" if isinstance(turns, str) else ""
        result.faults.append(Fault("not_messages", f"`{name}` must be a list", f"/{name}", hint=hint))
        return []
    if not turns:
        result.faults.append(Fault("not_messages", f"`{name}` is empty", f"/{name}"))
    for index, turn in enumerate(turns):
        pointer = f"/{name}/{index}"
        if not isinstance(turn, dict):
            result.faults.append(Fault("not_messages", "a message must be a JSON object", pointer))
            continue
        role = _role(turn, keys[0], roles, pointer, result.faults)
        extras = () if sharegpt else _EXTRAS.get(role, ())
        result.unused += [f"/{name}/*/{key}" for key in turn if key not in (*keys, *extras)]
        more = _read_extras(
            {key: turn[key] for key in extras if turn.get(key) not in (None, [])}, pointer, result.faults
        )
        # OpenAI leaves the content of a message that only calls a tool out, or null.
        silent = "tool_calls" in more and turn.get(keys[1]) is None
        content = "" if silent else read_text(turn, keys[1], pointer, result.faults)
        if role is not None and content is not None:
            messages.append({"role": role, "content": content, **more})
    return messages


def _read_extras(given: Mapping[str, Any], pointer: str, faults: list[Fault]) -> dict[str, Any]:
    """Return what a message holds beside its role and text, without a weight that says nothing."""
    more: dict[str, Any] = {}
    for key, value in given.items():
        if key == "tool_calls":
            more[key] = read_calls(value, f"{pointer}/{key}", faults)
        elif key != "weight":
            if (text := read_text(given, key, pointer, faults)) is not None:
                more[key] = text
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            told = "weight must be a number of at least 0: 0 leaves the turn out, 1 learns it"
            faults.append(Fault("bad_weight", told, f"{pointer}/{key}", as_json(value)))
        elif value != 1:
            more[key] = float(value)
    return more


def _role(turn: Mapping[str, Any], key: str, roles: Mapping[str, str], pointer: str, faults: list[Fault]) -> str | None:
    value = turn.get(key)
    if isinstance(value, str) and value in roles:
        return roles[value]
    if key not in turn:
        faults.append(Fault("unknown_role", f"a message has no `{key}`", pointer))
        return None
    faults.append(
        Fault("unknown_role", f"{key} is none of {', '.join(roles)}", f"{pointer}/{key}", str(value), _meant(value))
    )
    return None


def _meant(value: Any) -> str:
    name = str(value).strip().casefold()
    if name in {"tool", "function"}:
        return "write the role 'tool' in a row of the format `messages`"
    role = name if name in ROLES else _MEANT.get(name)
    return f"did you mean {role!r}?" if role else ""


def read_text(turn: Mapping[str, Any], key: str, pointer: str, faults: list[Fault]) -> str | None:
    """Return the text under a key, or None and a fault."""
    value = turn.get(key)
    if isinstance(value, str):
        return value
    if key not in turn:
        faults.append(Fault("not_a_string", f"a message has no `{key}`", pointer))
        return None
    hints: dict[type, str] = {
        dict: "write JSON answers as a string: json.dumps(…)",
        list: "only text is supported: write one string",
    }
    hint = hints.get(type(value), "")
    faults.append(
        Fault("not_a_string", f"{key} must be a string, not {_kind(value)}", f"{pointer}/{key}", as_json(value), hint)
    )
    return None


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def as_json(value: Any) -> str:
    """Return a JSON answer as the text that is learned, its keys in the order they were written."""
    return json.dumps(value, ensure_ascii=False)
