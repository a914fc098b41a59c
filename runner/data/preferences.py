"""Rows that say which of two answers is better -> one conversation, and the answer that its last one is preferred to.

| form | keys of a row |
|---|---|
| TRL's | `chosen`, `rejected`, and `prompt` or `messages` (a text or a list of messages) for what stands before both |
| TRL's, implicit prompt | `chosen`, `rejected`: two conversations that differ in their last message |
| OpenAI's, Together's | `input: {"messages", "tools"}`, `preferred_output`, `non_preferred_output` |

An answer is a text, a JSON object, a message, or a list that ends with the message; what that list begins with is the
prompt, and where a row gives the prompt as well, both must say the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from runner.data.conversation import conversation_faults
from runner.data.faults import Fault
from runner.data.rows import Message, Tool
from runner.data.tool_calls import read_tools, tool_faults
from runner.data.turns import Conversion, as_json, read_text, read_turns

PREFERENCE = ("chosen", "rejected")
OPENAI = ("input", "preferred_output", "non_preferred_output")


def preference_keys(value: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the keys that a preference row must have, in the form that it is written in."""
    if any(key in value for key in OPENAI[1:]):
        return OPENAI
    context = _context_key(value)
    return (*PREFERENCE, *((context,) if context else ()), *(("tools",) if "tools" in value else ()))


def read_preference(value: Mapping[str, Any], result: Conversion) -> None:
    """Fill `result` with the prompt and the better answer as messages, and with the other answer."""
    better, worse = PREFERENCE
    context_key = _context_key(value)
    if OPENAI[1] in value:
        value, better, worse, context_key = _openai_prompt(value, result), *OPENAI[1:], "input/messages"
    result.tools = read_tools(value.get("tools"), result.faults)
    told = [] if context_key is None else [(context_key, _context(value[context_key], context_key, result))]
    answers = []
    for key in (better, worse):
        *before, answer = _answer(value[key], key, result) or [{}]
        answers.append(answer)
        if before or context_key is None:
            told.append((key, before))
    if result.faults:
        return
    result.faults += _disagreements(told, answers, (better, worse))
    result.messages, result.rejected = [*map(_unweighted, told[0][1]), answers[0]], answers[1]


def rejected_faults(messages: list[Message], rejected: Message, tools: list[Tool] | None) -> Iterator[Fault]:
    """Yield what is wrong with the worse answer alone; the conversation is looked at by itself."""
    talk, last = [*messages[:-1], rejected], f"/messages/{len(messages) - 1}"
    for fault in (*conversation_faults(talk), *tool_faults(talk, tools)):
        if fault.pointer == last:
            yield Fault(fault.code, f"in the rejected answer: {fault.message}", "", fault.sample, fault.hint)


def _context_key(value: Mapping[str, Any]) -> str | None:
    return next((key for key in ("prompt", "messages") if key in value), None)


def _openai_prompt(value: Mapping[str, Any], result: Conversion) -> dict[str, Any]:
    """Return an OpenAI row with what its `input` holds at the top."""
    given = value["input"]
    if not isinstance(given, dict) or "messages" not in given:
        hint = 'write "input": {"messages": [{"role": "user", "content": …}]}'
        result.faults.append(Fault("not_messages", "`input` must be an object with `messages`", "/input", hint=hint))
        given = {"messages": []}
    result.unused += [f"/input/{key}" for key in given if key not in ("messages", "tools")]
    return {**value, "input/messages": given["messages"], "tools": given.get("tools")}


def _context(given: Any, key: str, result: Conversion) -> list[Message]:
    if isinstance(given, str):
        return [{"role": "user", "content": given}]
    return read_turns(given, key, result)


def _answer(given: Any, key: str, result: Conversion) -> list[Message]:
    """Return an answer, after the turns before it where they are given with it."""
    if isinstance(given, dict) and "role" not in given:
        given = as_json(given)
    if isinstance(given, dict | list):
        turns = read_turns(given if isinstance(given, list) else [given], key, result)
        if turns and turns[-1]["role"] != "assistant":
            told = f"`{key}` must end with the assistant's answer, not with a turn of the {turns[-1]['role']}"
            result.faults.append(Fault("no_answer", told, f"/{key}"))
        return [_unweighted(turn) for turn in turns]
    text = read_text({key: given}, key, "", result.faults)
    return [] if text is None else [{"role": "assistant", "content": text}]


def _unweighted(message: Message) -> Message:
    """Leave the weight out: an answer is compared with another one, whole."""
    return {key: value for key, value in message.items() if key != "weight"}


def _disagreements(
    told: list[tuple[str, list[Message]]], answers: list[Message], keys: tuple[str, str]
) -> Iterator[Fault]:
    (first, prompt), *others = told
    if not prompt:
        hint = "add `prompt`, or write the whole conversation in `chosen` and in `rejected`"
        yield Fault("no_prompt", "the row does not say what was asked", hint=hint)
    for key, before in others:
        if [*map(_unweighted, prompt)] != before:
            yield Fault("two_prompts", f"`{first}` and `{key}` begin differently: both answers need one prompt")
    if answers[0] == answers[1]:
        same = f"`{keys[0]}` and `{keys[1]}` are the same, so nothing is preferred"
        yield Fault("same_answers", same, hint="drop the row")
