"""What a request may say, how it is refused, and what the engine is then asked."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.serving import answer
from runner.serving.answer import engine_body
from runner.serving.openai_schema import MAX_MESSAGES, Refusal, read_chat_request

HELLO = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}


def read(**fields):
    return read_chat_request(json.dumps({"model": "triage", "messages": HELLO, **fields}).encode())


@pytest.fixture
def version(shelf):
    def of(**facts):
        shelf.deploy("triage", "1.0.0", **facts)
        return shelf.version("triage", "1.0.0")

    return of


def test_the_versions_settings_are_the_defaults(version):
    assert engine_body(read(), version()) == {
        "model": "triage@1.0.0",
        "messages": HELLO,
        "max_tokens": 48,
        "temperature": 0.0,
        "stream": False,
    }


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 6}, {"max_tokens": 6}),
        ({"temperature": 1}, {"temperature": 1.0}),
        ({"temperature": 0, "top_p": 0.5}, {"temperature": 0.0, "top_p": 0.5}),
        ({"stop": "\n"}, {"stop": ["\n"]}),
        ({"stop": ["a", "b"]}, {"stop": ["a", "b"]}),
        ({"seed": 7}, {"seed": 7}),
        ({"stream": True}, {"stream": True}),
        ({"stream": True, "stream_options": {"include_usage": True}}, {"stream_options": {"include_usage": True}}),
        # What asks for nothing reaches no engine.
        ({"response_format": {"type": "text"}}, {"response_format": None}),
        ({"user": "u-1", "metadata": {"ticket": "9"}}, {"user": None, "metadata": None}),
        ({"n": 1, "logprobs": False, "frequency_penalty": 0, "presence_penalty": 0.0, "store": False}, {"n": None}),
        ({"temperature": None, "stop": None, "tools": None}, {"temperature": 0.0, "stop": None}),
    ],
)
def test_what_a_request_says_comes_before_the_defaults(version, fields, asked):
    body = engine_body(read(**fields), version())
    assert {key: body.get(key) for key in asked} == asked


@pytest.mark.parametrize(
    ("messages", "asked"),
    [
        (HELLO, [{"role": "system", "content": "Route it."}, *HELLO]),
        ([{"role": "system", "content": "Mine."}, *HELLO], [{"role": "system", "content": "Mine."}, *HELLO]),
        ([{"role": "developer", "content": "Mine."}, *HELLO], [{"role": "system", "content": "Mine."}, *HELLO]),
        (
            [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
            [{"role": "system", "content": "Route it."}, {"role": "user", "content": "ab"}],
        ),
        (
            [{"role": "assistant", "content": "x", "refusal": None, "tool_calls": None}, *HELLO],
            [{"role": "system", "content": "Route it."}, {"role": "assistant", "content": "x"}, *HELLO],
        ),
    ],
)
def test_the_versions_prompt_opens_a_conversation_without_one(version, messages, asked):
    assert engine_body(read(messages=messages), version(prompt="Route it."))["messages"] == asked


@pytest.mark.parametrize("wish", [SCHEMA, {"type": "json_object"}])
def test_a_format_is_passed_on_only_to_an_engine_that_enforces_it(version, monkeypatch, wish):
    with pytest.raises(Refusal, match=r"`response_format` is not supported .*\(llama_cpp\)") as caught:
        engine_body(read(response_format=wish), version())
    assert (caught.value.status_code, caught.value.param) == (400, "response_format")
    monkeypatch.setattr(answer, "CONSTRAINED", {"llama_cpp"})
    assert engine_body(read(response_format=wish), version())["response_format"] == wish


@pytest.mark.parametrize(
    ("fields", "param", "message"),
    [
        ({"tempratur": 1}, "tempratur", "`tempratur` is not supported by this server; did you mean `temperature`?"),
        ({"tools": []}, "tools", "`tools` is not supported by this server"),
        ({"logprobs": True}, "logprobs", "False"),
        ({"n": 2}, "n", "Input should be 1"),
        ({"presence_penalty": 0.5}, "presence_penalty", "Input should be 0"),
        ({"temperature": 3}, "temperature", "less than or equal to 2"),
        ({"temperature": "0"}, "temperature", "valid number"),
        ({"temperature": True}, "temperature", "valid number"),
        ({"max_tokens": 0}, "max_tokens", "greater than or equal to 1"),
        ({"max_tokens": 1.5}, "max_tokens", "integer"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, None, "give one"),
        ({"stop": ["a"] * 5}, "stop", "at most 4"),
        ({"stop": ""}, "stop[0]", "at least 1"),
        ({"seed": -1}, "seed", "greater than or equal to 0"),
        ({"stream": "yes"}, "stream", "boolean"),
        ({"stream_options": {}}, None, "needs `stream: true`"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "json_object"),
        ({"response_format": {"type": "json_schema"}}, "response_format", "goes with"),
        ({"metadata": {"a": 1}}, "metadata.a", "string"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": HELLO * (MAX_MESSAGES + 1)}, "messages", f"at most {MAX_MESSAGES}"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "'system'"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "required"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "string"),
        ({"messages": [{"role": "user", "content": "x", "name": "Ann"}]}, "messages[0].name", "not supported"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].type", "text"),
        ({"messages": "hi"}, "messages", "list"),
        ({"model": None}, "model", "required"),
    ],
)
def test_a_wrong_field_is_named(fields, param, message):
    with pytest.raises(Refusal) as caught:
        read(**fields)
    assert (caught.value.status_code, caught.value.param) == (400, param)
    assert message in caught.value.detail


def test_all_wrong_fields_are_told_at_once():
    with pytest.raises(Refusal) as caught:
        read(tools=[], n=2, temperature=9)
    assert all(field in caught.value.detail for field in ("`tools`", "`n`", "`temperature`"))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"hi"', b"\xff\xfe", b"[" * 100_000, b'{"model": NaN}', b'{"model": "\\ud800"}'],
)
def test_a_body_that_is_no_request_is_refused(body):
    with pytest.raises(Refusal) as caught:
        read_chat_request(body)
    assert caught.value.status_code == 400


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
fields = st.sampled_from(
    ["model", "messages", "stop", "response_format", "stream_options", "metadata", "temperature", "n"]
)


def refusal_of(body):
    try:
        return read_chat_request(body) and None
    except Refusal as refusal:
        return refusal


@settings(max_examples=60)
@given(st.dictionaries(fields | st.text(), json_values, max_size=6))
def test_any_json_is_read_or_refused(data):
    refusal = refusal_of(json.dumps(data).encode())
    assert refusal is None or (refusal.status_code == 400 and refusal.detail)
