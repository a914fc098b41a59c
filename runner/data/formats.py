"""One row in any known format -> chat messages, or the faults that keep it from being one.

| format | keys of a row |
|---|---|
| `messages` | `messages`: list of `{"role", "content"}` (OpenAI), with `tool_calls`, `weight` and `tools` |
| `sharegpt` | `conversations`: list of `{"from", "value"}` |
| `instruction` | `instruction`, `output`, optionally `input` (Alpaca); the input follows after an empty line |
| `prompt_completion` | `prompt`, `completion` |
| `input_output` | `input`, `output` |
| `preference` | `chosen` and `rejected`; see `runner.data.preferences` |

An answer (`output`, `completion`) may be a JSON object; it becomes `json.dumps(answer, ensure_ascii=False)` with its
keys in the order they were written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from runner.data.faults import Fault
from runner.data.preferences import OPENAI, PREFERENCE, preference_keys, read_preference
from runner.data.tool_calls import read_tools
from runner.data.turns import Conversion, as_json, read_text, read_turns

RowShape = Literal["messages", "sharegpt", "instruction", "prompt_completion", "input_output", "preference"]

REQUIRED: Mapping[RowShape, tuple[str, ...]] = {
    "preference": PREFERENCE,
    "messages": ("messages",),
    "sharegpt": ("conversations",),
    "instruction": ("instruction", "output"),
    "prompt_completion": ("prompt", "completion"),
    "input_output": ("input", "output"),
}
"""Keys that make a format, in the order in which formats are recognised."""

_OPTIONAL: Mapping[RowShape, tuple[str, ...]] = {"messages": ("tools",), "instruction": ("input",)}


def detect(value: Mapping[str, Any]) -> RowShape | None:
    """Return the format whose keys a row has."""
    if all(key in value for key in OPENAI):
        return "preference"
    return next((shape for shape, keys in REQUIRED.items() if all(key in value for key in keys)), None)


def convert(value: Mapping[str, Any], shape: RowShape, read_elsewhere: Collection[str] = ()) -> Conversion:
    """Turn a row into messages.

    Args:
        value: the row.
        shape: its format.
        read_elsewhere: keys that are read for something else, such as the group.
    """
    required = preference_keys(value) if shape == "preference" else REQUIRED[shape]
    optional = _OPTIONAL.get(shape, ())
    known = {*required, *read_elsewhere, *optional}
    result = Conversion(unused=[f"/{key}" for key in value if key not in known])
    missing = [key for key in required if key not in value]
    if missing:
        result.faults.append(_missing(missing, value, shape))
    elif shape == "messages":
        result.messages = read_turns(value["messages"], "messages", result)
        result.tools = read_tools(value.get("tools"), result.faults)
    elif shape == "sharegpt":
        result.messages = read_turns(value["conversations"], "conversations", result, sharegpt=True)
    elif shape == "preference":
        read_preference(value, result)
    else:
        _read_pair(value, shape, result)
    return result


def _missing(missing: list[str], value: Mapping[str, Any], shape: RowShape) -> Fault:
    seen = detect(value)
    hint = f"the row looks like `{seen}`: set dataset.format to that, or to auto" if seen else ""
    keys = ", ".join(map(repr, missing))
    return Fault("missing_key", f"dataset.format is `{shape}`, but the row has no {keys}", hint=hint)


def _read_pair(value: Mapping[str, Any], shape: RowShape, result: Conversion) -> None:
    question_key, answer_key = REQUIRED[shape]
    question = read_text(value, question_key, "", result.faults)
    if shape == "instruction" and value.get("input") not in (None, ""):
        context = read_text(value, "input", "", result.faults)
        question = None if question is None or context is None else f"{question}\n\n{context}"
    answer = value[answer_key]
    text = as_json(answer) if isinstance(answer, dict) else read_text(value, answer_key, "", result.faults)
    if question is not None and text is not None:
        result.messages = [{"role": "user", "content": question}, {"role": "assistant", "content": text}]
