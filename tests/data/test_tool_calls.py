"""Rows with tools, calls and weights: one canonical form, kept through prepare; what cannot be trained on is told."""

import json

import pytest
from chat_templates import WEATHER, weather_call, weather_talk

from runner.data.conversation import conversation_faults
from runner.data.findings import Findings
from runner.data.formats import convert
from runner.data.prompts import prompt_of, prompts_from_jsonl, prompts_of, prompts_to_jsonl, reference_of
from runner.data.reading import Reader
from runner.data.rows import Example, number_rows, rows_from_jsonl, rows_to_jsonl
from runner.data.tool_calls import tool_faults
from runner.errors import Location
from runner.spec.models import Dataset

USER = {"role": "user", "content": "hi"}
ANSWER = {"role": "assistant", "content": "hello"}


def call(arguments, **other):
    return {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}} | other


def said(*calls, **other):
    return {"role": "assistant", "content": None, "tool_calls": list(calls)} | other


ARGUMENTS = {"unit": "C", "city": "Málaga"}
SAME = [
    said(call(ARGUMENTS)),
    said(call(json.dumps(ARGUMENTS))),
    said(call('{ "unit":"C",\n"city" : "M\\u00e1laga" }'), weight=1),
    {key: value for key, value in said(call(ARGUMENTS), weight=None).items() if key != "content"},
]


@pytest.mark.parametrize("message", SAME)
def test_calls_have_one_form_however_their_arguments_are_written(message):
    result = convert({"messages": [USER, message], "tools": json.dumps(WEATHER)}, "messages")
    assert (result.faults, result.unused, result.tools) == ([], [], WEATHER)
    assert result.messages == [USER, weather_call("Málaga")]


def test_tools_are_what_llama_cpp_shows_of_them():
    given = [
        {"type": "function", "function": {"strict": True, "parameters": {"maximum": 9.0, "step": 0.5}, "name": "f"}}
    ]
    result = convert({"messages": [USER, said(call({"a": [1.0, 2.5]}))], "tools": given}, "messages")
    shown = {"name": "f", "description": "", "parameters": {"maximum": 9, "step": 0.5}}
    assert json.dumps(result.tools) == json.dumps([{"type": "function", "function": shown}])
    assert result.messages[1]["tool_calls"][0]["function"]["arguments"] == '{"a": [1, 2.5]}'


def rows_of(*values):
    examples = []
    for value in values:
        result = convert(value, "messages")
        assert not result.faults
        examples.append(Example(result.messages, None, Location("x"), result.tools))
    return [row for row, _ in number_rows(examples)]


def test_the_order_of_keys_outlives_the_registry():
    (row,) = rows_of({"messages": weather_talk()[:2], "tools": WEATHER})
    assert rows_from_jsonl(rows_to_jsonl([row])) == [row]
    (kept,) = rows_from_jsonl(rows_to_jsonl([row]))
    assert json.dumps(kept.tools) == json.dumps(WEATHER)
    assert kept.messages[1]["tool_calls"][0]["function"]["arguments"] == '{"unit": "C", "city": "Málaga"}'
    assert prompts_from_jsonl(prompts_to_jsonl(prompts_of([row]))) == [prompt_of(row)]
    assert prompt_of(row).tools == WEATHER
    assert reference_of(row) == '{"name": "get_weather", "arguments": {"unit": "C", "city": "Málaga"}}'


def test_rows_without_tools_keep_the_id_they_always_had():
    """The id of this content in the first release."""
    (row,) = rows_of({"messages": [USER, ANSWER | {"weight": 1}]})
    assert row.id == "ef2eda6026e79261-0"
    assert rows_of({"messages": [USER, ANSWER], "tools": []})[0].id == row.id
    others = [{"messages": [USER, ANSWER | {"weight": 0}]}, {"messages": [USER, ANSWER], "tools": WEATHER}]
    assert len({row.id, *(other.id for other in rows_of(*others))}) == 3


def test_weights_are_kept_for_training_and_unknown_to_prompts():
    light, heavy = ANSWER | {"weight": 0}, ANSWER | {"weight": 2}
    rows = rows_of({"messages": [USER, light, USER, heavy]}, {"messages": [USER, ANSWER, USER, ANSWER]})
    assert sorted([m.get("weight") for m in row.messages] for row in rows if "weight" in row.messages[1]) == [
        [None, 0.0, None, 2.0]
    ]
    assert len(prompts_of(rows)) == 1
    assert [message for row in rows for message in prompt_of(row).messages if "weight" in message] == []


BAD = {
    "weight below 0": ({"messages": [USER, ANSWER | {"weight": -1}]}, "bad_weight", "/messages/1/weight"),
    "weight true": ({"messages": [USER, ANSWER | {"weight": True}]}, "bad_weight", "/messages/1/weight"),
    "weight as text": ({"messages": [USER, ANSWER | {"weight": "0"}]}, "bad_weight", "/messages/1/weight"),
    "weight without bound": ({"messages": [USER, ANSWER | {"weight": 1e999}]}, "bad_weight", "/messages/1/weight"),
    "calls no list": ({"messages": [USER, said() | {"tool_calls": {}}]}, "bad_tool_calls", "/messages/1/tool_calls"),
    "no function": ({"messages": [USER, said({"id": "c"})]}, "bad_tool_calls", "/messages/1/tool_calls/0"),
    "arguments cut off": (
        {"messages": [USER, said(call('{"city": "Ro'))]},
        "bad_tool_calls",
        "/messages/1/tool_calls/0/function/arguments",
    ),
    "argument twice": (
        {"messages": [USER, said(call('{"city": "Rome", "city": "Oslo"}'))]},
        "bad_tool_calls",
        "/messages/1/tool_calls/0/function/arguments",
    ),
    "arguments a list": (
        {"messages": [USER, said(call("[]"))]},
        "bad_tool_calls",
        "/messages/1/tool_calls/0/function/arguments",
    ),
    "no arguments": (
        {"messages": [USER, said(call(None))]},
        "bad_tool_calls",
        "/messages/1/tool_calls/0/function/arguments",
    ),
    "id a number": ({"messages": [USER, said(call({}, id=1))]}, "bad_tool_calls", "/messages/1/tool_calls/0/id"),
    "tools no list": ({"messages": [USER, ANSWER], "tools": {"a": 1}}, "bad_tools", "/tools"),
    "tools not JSON": ({"messages": [USER, ANSWER], "tools": "[{"}, "bad_tools", "/tools"),
    "tool without name": (
        {"messages": [USER, ANSWER], "tools": [*WEATHER, {"type": "function", "function": {}}]},
        "bad_tools",
        "/tools/1",
    ),
}


@pytest.mark.parametrize(("row", "code", "pointer"), BAD.values(), ids=BAD)
def test_what_cannot_be_read_is_told_with_its_place(row, code, pointer):
    assert [(fault.code, fault.pointer) for fault in convert(row, "messages").faults] == [(code, pointer)]


RESULT = {"role": "tool", "content": "21 °C", "tool_call_id": "c1"}
CALL = weather_call("Rome")
NO_ID = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"type": "function", "function": CALL["tool_calls"][0]["function"]}],
}
TALKS = {
    "call at the end": ([USER, CALL], []),
    "call, result, answer": ([USER, CALL, RESULT, ANSWER], []),
    "result without text": ([USER, CALL, RESULT | {"content": ""}, ANSWER], []),
    "no ids at all": ([USER, NO_ID, {"role": "tool", "content": "x"}, ANSWER], []),
    "no result": ([USER, CALL, USER, ANSWER], ["unanswered_tool_call"]),
    "result twice": ([USER, CALL, RESULT, RESULT, ANSWER], ["stray_tool_result"]),
    "result of nothing": ([USER, RESULT, ANSWER], ["stray_tool_result"]),
    "result of another call": ([USER, CALL, RESULT | {"tool_call_id": "c2"}, ANSWER], ["unknown_tool_call_id"]),
    "result without id": ([USER, CALL, {"role": "tool", "content": "x"}, ANSWER], ["unknown_tool_call_id"]),
    "ends with a result": ([USER, CALL, RESULT], ["no_answer"]),
    "nothing to learn": ([USER, ANSWER | {"weight": 0.0}], ["nothing_to_learn"]),
}


@pytest.mark.parametrize(("messages", "codes"), TALKS.values(), ids=TALKS)
def test_calls_and_results_belong_together(messages, codes):
    assert [fault.code for fault in [*conversation_faults(messages), *tool_faults(messages, WEATHER)]] == codes


def test_a_call_of_a_function_that_is_not_offered_is_told():
    other = [{"type": "function", "function": {"name": "get_time"}}]
    assert [fault.code for fault in tool_faults([USER, CALL], other)] == ["unknown_tool"]
    assert not [*tool_faults([USER, CALL], None)]


def test_a_file_of_such_rows_is_read(tmp_path):
    row = {"messages": [USER, said(call(ARGUMENTS)), RESULT, ANSWER | {"weight": 0.5}], "tools": WEATHER}
    (tmp_path / "a.jsonl").write_text(json.dumps(row) + "\n")
    findings = Findings()
    reader = Reader(Dataset(train=["a.jsonl"], system_prompt="Help."), findings)
    (example,) = reader.read("train", {"a.jsonl": tmp_path / "a.jsonl"})
    assert not findings.all()
    assert [message["role"] for message in example.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert example.tools == WEATHER
