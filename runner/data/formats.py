"""One row in any known format -> chat messages, or the faults that keep it from being one.

| format | keys of a row |
|---|---|
| `messages` | `messages`: list of `{"role", "content"}` (OpenAI), with `tool_calls`, `weight` and `tools` |
| `sharegpt` | `conversations`: list of `{"from", "value"}` |
| `instruction` | `instruction`, `output`, optionally `input` (Alpaca); the input follows after an empty line |
| `prompt_completion` | `prompt`, `completion` |
| `input_output` | `input`, `output` |

An answer (`output`, `completion`) may be a JSON object; it becomes `json.dumps(answer, ensure_ascii=False)` with its
keys in the order they were written.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from runner.data.faults import Fault
from runner.data.rows import Message, Tool
from runner.data.tool_calls import read_calls, read_tools

RowShape = Literal["messages", "sharegpt", "instruction", "prompt_completion", "input_output"]

REQUIRED: Mapping[RowShape, tuple[str, ...]] = {
    "messages": ("messages",),
    "sharegpt": ("conversations",),
    "instruction": ("instruction", "output"),
    "prompt_completion": ("prompt", "completion"),
    "input_output": ("input", "output"),
}
"""Keys that make a format, in the order in which formats are recognised."""

_OPTIONAL: Mapping[RowShape, tuple[str, ...]] = {"messages": ("tools",), "instruction": ("input",)}
# What a message may hold beside its role and text.
_EXTRAS: Mapping[str | None, tuple[str, ...]] = {
    "assistant": ("tool_calls", "weight"),
    "tool": ("tool_call_id", "name"),
}

ROLES = ("system", "user", "assistant")
_SHAREGPT_ROLES = {"human": "user", "gpt": "assistant"} | {role: role for role in ROLES}
_MEANT = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "developer": "system"}


@dataclass(slots=True)
class Conversion:
    """What became of a row: messages if there are no faults, and the keys that nothing reads."""

    messages: list[Message] = field(default_factory=list)
    tools: list[Tool] | None = None
    faults: list[Fault] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    """JSON Pointers, with `*` for positions in a list."""


def detect(value: Mapping[str, Any]) -> RowShape | None:
    """Return the format whose keys a row has."""
    return next((shape for shape, keys in REQUIRED.items() if all(key in value for key in keys)), None)


def convert(value: Mapping[str, Any], shape: RowShape, read_elsewhere: Collection[str] = ()) -> Conversion:
    """Turn a row into messages.

    Args:
        value: the row.
        shape: its format.
        read_elsewhere: keys that are read for something else, such as the group.
    """
    known = {*REQUIRED[shape], *read_elsewhere, *_OPTIONAL.get(shape, ())}
    result = Conversion(unused=[f"/{key}" for key in value if key not in known])
    missing = [key for key in REQUIRED[shape] if key not in value]
    if missing:
        result.faults.append(_missing(missing, value, shape))
    elif shape == "messages":
        roles = {role: role for role in (*ROLES, "tool")}
        _read_turns(value["messages"], "messages", ("role", "content"), roles, result)
        result.tools = read_tools(value.get("tools"), result.faults)
    elif shape == "sharegpt":
        _read_turns(value["conversations"], "conversations", ("from", "value"), _SHAREGPT_ROLES, result)
    else:
        _read_pair(value, shape, result)
    return result


def _missing(missing: list[str], value: Mapping[str, Any], shape: RowShape) -> Fault:
    seen = detect(value)
    hint = f"the row looks like `{seen}`: set dataset.format to that, or to auto" if seen else ""
    keys = ", ".join(map(repr, missing))
    return Fault("missing_key", f"dataset.format is `{shape}`, but the row has no {keys}", hint=hint)


def _read_turns(turns: Any, name: str, keys: tuple[str, str], roles: Mapping[str, str], result: Conversion) -> None:
    if not isinstance(turns, list):
        hint = "write the list itself, not a string that holds it" if isinstance(turns, str) else ""
        result.faults.append(Fault("not_messages", f"`{name}` must be a list", f"/{name}", hint=hint))
        return
    if not turns:
        result.faults.append(Fault("not_messages", f"`{name}` is empty", f"/{name}"))
    for index, turn in enumerate(turns):
        pointer = f"/{name}/{index}"
        if not isinstance(turn, dict):
            result.faults.append(Fault("not_messages", "a message must be a JSON object", pointer))
            continue
        role = _role(turn, keys[0], roles, pointer, result.faults)
        extras = _EXTRAS.get(role, ()) if name == "messages" else ()
        result.unused += [f"/{name}/*/{key}" for key in turn if key not in (*keys, *extras)]
        more = _read_extras(
            {key: turn[key] for key in extras if turn.get(key) not in (None, [])}, pointer, result.faults
        )
        # OpenAI leaves the content of a message that only calls a tool out, or null.
        silent = "tool_calls" in more and turn.get(keys[1]) is None
        content = "" if silent else _text(turn, keys[1], pointer, result.faults)
        if role is not None and content is not None:
            result.messages.append({"role": role, "content": content, **more})


def _read_extras(given: Mapping[str, Any], pointer: str, faults: list[Fault]) -> dict[str, Any]:
    """Return what a message holds beside its role and text, without a weight that says nothing."""
    more: dict[str, Any] = {}
    for key, value in given.items():
        if key == "tool_calls":
            more[key] = read_calls(value, f"{pointer}/{key}", faults)
        elif key != "weight":
            if (text := _text(given, key, pointer, faults)) is not None:
                more[key] = text
        elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            told = "weight must be a number of at least 0: 0 leaves the turn out, 1 learns it"
            faults.append(Fault("bad_weight", told, f"{pointer}/{key}", _json(value)))
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


def _text(turn: Mapping[str, Any], key: str, pointer: str, faults: list[Fault]) -> str | None:
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
        Fault("not_a_string", f"{key} must be a string, not {_kind(value)}", f"{pointer}/{key}", _json(value), hint)
    )
    return None


def _read_pair(value: Mapping[str, Any], shape: RowShape, result: Conversion) -> None:
    question_key, answer_key = REQUIRED[shape]
    question = _text(value, question_key, "", result.faults)
    if shape == "instruction" and value.get("input") not in (None, ""):
        context = _text(value, "input", "", result.faults)
        question = None if question is None or context is None else f"{question}\n\n{context}"
    answer = value[answer_key]
    text = _json(answer) if isinstance(answer, dict) else _text(value, answer_key, "", result.faults)
    if question is not None and text is not None:
        result.messages = [{"role": "user", "content": question}, {"role": "assistant", "content": text}]


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
