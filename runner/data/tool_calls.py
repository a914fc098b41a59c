"""Tools and calls of tools as rows write them -> one form: OpenAI's, with every `arguments` as JSON text.

Text, because the order of keys is part of what a model reads, and canonical JSON would sort them. `tools` and
`arguments` may come as objects or as the JSON text that such datasets hold; text is read strictly. What is left is what
llama.cpp shows a model of a request: name, description and parameters of a function, and 20.0 as 20.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runner.contract.strict_json import JsonFault, read_json
from runner.data.faults import Fault
from runner.data.rows import Message, Tool


def read_tools(value: Any, faults: list[Fault]) -> list[Tool] | None:
    """Return the functions a row offers; None when it offers none, or they cannot be read."""
    tools = _decoded(value, "bad_tools", "/tools", faults)
    if tools is None:
        return None
    if not isinstance(tools, list):
        faults.append(Fault("bad_tools", "`tools` must be a list of functions", "/tools"))
        return None
    offered = []
    for index, tool in enumerate(tools):
        if (read := _read_tool(tool)) is not None:
            offered.append(read)
            continue
        hint = 'write {"type": "function", "function": {"name": …, "description": …, "parameters": {…}}}'
        faults.append(Fault("bad_tools", "a tool must be a function with a name", f"/tools/{index}", hint=hint))
    return offered or None


def _read_tool(tool: Any) -> Tool | None:
    function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
    if not isinstance(function, dict) or not _is_name(function.get("name")):
        return None
    description, parameters = function.get("description") or "", function.get("parameters") or {}
    if not isinstance(description, str) or not isinstance(parameters, dict):
        return None
    shown = {"name": function["name"], "description": description, "parameters": _plain_numbers(parameters)}
    return {"type": "function", "function": shown}


def read_calls(value: Any, pointer: str, faults: list[Fault]) -> list[dict[str, Any]]:
    """Return the calls of an assistant's message in OpenAI's form, without those that cannot be read."""
    if not isinstance(value, list) or not value:
        faults.append(Fault("bad_tool_calls", "`tool_calls` must be a list of calls", pointer))
        return []
    calls = []
    for index, call in enumerate(value):
        if (read := _read_call(call, f"{pointer}/{index}", faults)) is not None:
            calls.append(read)
    return calls


def _read_call(call: Any, pointer: str, faults: list[Fault]) -> dict[str, Any] | None:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not _is_name(function.get("name")):
        hint = 'write {"id": …, "type": "function", "function": {"name": …, "arguments": …}}'
        faults.append(Fault("bad_tool_calls", "a call must name its function", pointer, hint=hint))
        return None
    place = f"{pointer}/function/arguments"
    before = len(faults)
    arguments = _decoded(function.get("arguments"), "bad_tool_calls", place, faults)
    if not isinstance(arguments, dict):
        if len(faults) == before:
            faults.append(Fault("bad_tool_calls", "`arguments` must be a JSON object, or JSON text of one", place))
        return None
    if not isinstance(call.get("id", ""), str):
        faults.append(Fault("bad_tool_calls", "the `id` of a call must be a string", f"{pointer}/id"))
        return None
    text = json.dumps(_plain_numbers(arguments), ensure_ascii=False)
    named = {"type": "function", "function": {"name": function["name"], "arguments": text}}
    return {"id": call["id"], **named} if call.get("id") else named


def _decoded(value: Any, code: str, pointer: str, faults: list[Fault]) -> Any:
    """Return a value that may be given as JSON text."""
    if not isinstance(value, str):
        return value
    found = read_json(value)
    if isinstance(found, JsonFault):
        faults.append(Fault(code, f"no JSON: {found.message}", pointer, value, found.hint))
        return None
    return found


def _plain_numbers(value: Any) -> Any:
    """Return a JSON value with its whole numbers written as such."""
    if isinstance(value, dict):
        return {key: _plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain_numbers(item) for item in value]
    # Beyond 2^53 a float says nothing about its last digits.
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53 else value


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def tool_faults(messages: Sequence[Message], tools: Sequence[Tool] | None) -> Iterator[Fault]:
    """Yield what is wrong between calls, their results and the tools on offer."""
    offered = None if tools is None else {tool["function"]["name"] for tool in tools}
    waiting: list[Mapping[str, Any]] = []
    for index, message in enumerate(messages):
        pointer = f"/messages/{index}"
        if message["role"] == "tool":
            yield from _result_faults(message, waiting, pointer)
            continue
        if waiting:
            names = ", ".join(call["function"]["name"] for call in waiting)
            yield Fault("unanswered_tool_call", f"the conversation goes on without a result of {names}", pointer)
        waiting = list(message.get("tool_calls", ()))
        for call in waiting:
            if offered is not None and (name := call["function"]["name"]) not in offered:
                yield Fault("unknown_tool", "the function is none of the row's `tools`", pointer, name)


def _result_faults(message: Message, waiting: list[Mapping[str, Any]], pointer: str) -> Iterator[Fault]:
    """Take the call that a result belongs to from `waiting`, or say why there is none."""
    if not waiting:
        yield Fault("stray_tool_result", "a tool's result without a call before it", pointer)
        return
    answered = message.get("tool_call_id")
    found = next((call for call in waiting if call.get("id") == answered), None)
    if found is None:
        ids = ", ".join(str(call.get("id")) for call in waiting)
        told = "is missing" if answered is None else "is of none of the calls before it"
        yield Fault("unknown_tool_call_id", f"`tool_call_id` {told}", pointer, str(answered or ""), f"waiting: {ids}")
    waiting.remove(found or waiting[0])
