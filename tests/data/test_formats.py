"""Row formats: what becomes messages, what is refused, and with which hint."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.data.conversation import conversation_faults, is_visible, repeated_role
from runner.data.formats import REQUIRED, convert, detect

USER = {"role": "user", "content": "hi"}
ASSISTANT = {"role": "assistant", "content": "hello"}
SYSTEM = {"role": "system", "content": "be kind"}
PAIR = [USER, ASSISTANT]

GOOD = {
    "messages": ({"messages": PAIR}, "messages", PAIR),
    "messages with system": ({"messages": [SYSTEM, *PAIR]}, "messages", [SYSTEM, *PAIR]),
    "sharegpt": (
        {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]},
        "sharegpt",
        PAIR,
    ),
    "input and output": ({"input": "hi", "output": "hello"}, "input_output", PAIR),
    "prompt and completion": ({"prompt": "hi", "completion": "hello"}, "prompt_completion", PAIR),
    "Alpaca": (
        {"instruction": "Translate.", "input": "hi", "output": "hello"},
        "instruction",
        [{"role": "user", "content": "Translate.\n\nhi"}, ASSISTANT],
    ),
    "Alpaca without input": ({"instruction": "hi", "output": "hello"}, "instruction", PAIR),
    "Alpaca with empty input": ({"instruction": "hi", "input": "", "output": "hello"}, "instruction", PAIR),
    "JSON answer keeps its order": (
        {"input": "hi", "output": {"z": "é", "a": [1, 2.5, None]}},
        "input_output",
        [USER, {"role": "assistant", "content": '{"z": "é", "a": [1, 2.5, null]}'}],
    ),
}


@pytest.mark.parametrize(("row", "shape", "messages"), GOOD.values(), ids=GOOD)
def test_formats_are_recognised_and_converted(row, shape, messages):
    assert detect(row) == shape
    result = convert(row, shape)
    assert (result.messages, result.faults, result.unused) == (messages, [], [])


def turns(*messages):
    return {"messages": list(messages)}


BAD = {
    "list as a string": ({"messages": "[]"}, "messages", "not_messages", "must be a list"),
    "no messages": (turns(), "messages", "not_messages", "empty"),
    "message is text": (turns("hi"), "messages", "not_messages", "JSON object"),
    "role human": (turns({"role": "human", "content": "x"}), "messages", "unknown_role", "did you mean 'user'?"),
    "role User": (turns({"role": "User", "content": "x"}), "messages", "unknown_role", "did you mean 'user'?"),
    "role developer": (turns({"role": "developer", "content": "x"}), "messages", "unknown_role", "'system'"),
    "role function": (turns({"role": "function", "content": "x"}), "messages", "unknown_role", "role 'tool'"),
    "role number": (turns({"role": 1, "content": "x"}), "messages", "unknown_role", "none of"),
    "no role": (turns({"content": "x"}), "messages", "unknown_role", "no `role`"),
    "no content": (turns({"role": "user"}), "messages", "not_a_string", "no `content`"),
    "content null": (turns({"role": "user", "content": None}), "messages", "not_a_string", "not null"),
    "content number": (turns({"role": "user", "content": 5}), "messages", "not_a_string", "not a number"),
    "content object": (turns({"role": "user", "content": {"a": 1}}), "messages", "not_a_string", "json.dumps"),
    "content parts": (turns({"role": "user", "content": [{"type": "text"}]}), "messages", "not_a_string", "only text"),
    "output number": ({"input": "a", "output": 5}, "input_output", "not_a_string", "not a number"),
    "output null": ({"input": "a", "output": None}, "input_output", "not_a_string", "not null"),
    "output list": ({"input": "a", "output": ["x"]}, "input_output", "not_a_string", "not a list"),
    "output boolean": ({"input": "a", "output": True}, "input_output", "not_a_string", "not a boolean"),
    "input object": ({"input": {}, "output": "x"}, "input_output", "not_a_string", "not an object"),
    "Alpaca input list": (
        {"instruction": "a", "input": ["x"], "output": "b"},
        "instruction",
        "not_a_string",
        "not a list",
    ),
    "forced format": ({"messages": PAIR}, "input_output", "missing_key", "looks like `messages`"),
}


@pytest.mark.parametrize(("row", "shape", "code", "words"), BAD.values(), ids=BAD)
def test_rows_that_are_no_conversation_are_refused(row, shape, code, words):
    (fault,) = convert(row, shape).faults
    assert fault.code == code
    assert words in f"{fault.message} {fault.hint}"


def test_every_fault_of_a_row_is_told_with_its_place():
    row = turns(USER, {"role": "gpt", "content": 1}, "x")
    assert [fault.pointer for fault in convert(row, "messages").faults] == [
        "/messages/1/role",
        "/messages/1/content",
        "/messages/2",
    ]


def test_keys_that_nothing_reads_are_listed():
    row = {"messages": [{**USER, "weight": 0}, ASSISTANT], "source": "x", "customer": 1}
    assert convert(row, "messages", ["customer"]).unused == ["/source", "/messages/*/weight"]


@pytest.mark.parametrize(
    "row", [{"text": "a", "intent": "b"}, {}, {"input": "a"}, {"chosen": "a"}, {"preferred_output": "a"}]
)
def test_unknown_rows_are_not_guessed_at(row):
    assert detect(row) is None


CONVERSATIONS = {
    "pair": (PAIR, []),
    "two rounds": (PAIR * 2, []),
    "ends with user": ([*PAIR, USER], ["no_answer"]),
    "no assistant": ([SYSTEM, USER], ["no_answer"]),
    "starts with assistant": ([ASSISTANT, *PAIR], ["starts_with_assistant"]),
    "assistant after system": ([SYSTEM, ASSISTANT], ["starts_with_assistant"]),
    "system in the middle": ([USER, SYSTEM, ASSISTANT], ["system_in_the_middle"]),
    "two system messages": ([SYSTEM, SYSTEM, *PAIR], ["system_in_the_middle"]),
    "empty system": ([{**SYSTEM, "content": ""}, *PAIR], []),
    "empty answer": ([USER, {**ASSISTANT, "content": ""}], ["empty_answer"]),
    "blank answer": ([USER, {**ASSISTANT, "content": " \n\t"}], ["empty_answer"]),
    "zero-width answer": ([USER, {**ASSISTANT, "content": "\u200b\ufeff\u2060\u00ad"}], ["empty_answer"]),
    "blank question": ([{**USER, "content": "\u3000\u2800\u3164"}, ASSISTANT], ["empty_question"]),
    "NUL": ([USER, {**ASSISTANT, "content": "a\0b"}], ["nul_character"]),
    "only system": ([SYSTEM], ["no_answer"]),
}


@pytest.mark.parametrize(("messages", "codes"), CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_conversations_must_teach_something(messages, codes):
    assert [fault.code for fault in conversation_faults(messages)] == codes


def test_a_repeated_role_is_found():
    assert repeated_role([SYSTEM, USER, USER, ASSISTANT]) == 2
    assert repeated_role([SYSTEM, USER, ASSISTANT, USER, ASSISTANT]) is None


@pytest.mark.parametrize("text", ["a", "0", "。", "👍", "\u0627", "-", " x", "\u200bx"])
def test_visible_text_is_visible(text):
    assert is_visible(text)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["user", "assistant", "system"]),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "from", "value", "x"]), children, max_size=3)
    ),
    max_leaves=12,
)
keys = sorted({key for needed in REQUIRED.values() for key in needed} | {"x"})


@given(st.dictionaries(st.sampled_from(keys), anything), st.sampled_from(sorted(REQUIRED)))
def test_any_row_is_converted_or_refused(row, shape):
    result = convert(row, shape)
    assert result.messages or result.faults
    assert all(isinstance(message["content"], str) for message in result.messages)
