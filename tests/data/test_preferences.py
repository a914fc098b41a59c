"""Every form in which two answers are compared -> one conversation and the answer it is preferred to."""

import json

import pytest

from runner.data.formats import convert, detect
from runner.data.prepare import prepare
from runner.data.rows import Example, number_rows, rows_from_jsonl, rows_to_jsonl
from runner.errors import DataError, Location
from runner.spec.models import Dataset

ASK = {"role": "user", "content": "Capital of France?"}
GOOD, BAD = {"role": "assistant", "content": "Paris"}, {"role": "assistant", "content": "Rome"}

FORMS = [
    {"prompt": "Capital of France?", "chosen": "Paris", "rejected": "Rome"},
    {"prompt": [ASK], "chosen": [GOOD], "rejected": [BAD]},
    {"prompt": "Capital of France?", "chosen": [ASK, GOOD], "rejected": [ASK, BAD]},
    {"chosen": [ASK, GOOD], "rejected": [ASK, BAD]},
    {"messages": [ASK], "chosen": GOOD, "rejected": BAD},
    {"messages": [ASK], "chosen": "Paris", "rejected": [BAD]},
    {"input": {"messages": [ASK]}, "preferred_output": [GOOD], "non_preferred_output": [BAD]},
]


@pytest.mark.parametrize("row", FORMS, ids=" ".join)
def test_every_form_is_the_same_pair(row):
    assert detect(row) == "preference"
    result = convert(row, "preference")
    assert (result.messages, result.rejected) == ([ASK, GOOD], BAD)
    assert (result.faults, result.unused) == ([], [])


def test_answers_may_be_json_objects_and_calls_of_tools():
    result = convert({"prompt": "x", "chosen": {"b": 1, "a": "ä"}, "rejected": {"b": 2}}, "preference")
    assert (result.messages[-1]["content"], result.rejected["content"]) == ('{"b": 1, "a": "ä"}', '{"b": 2}')
    tool = {"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}
    call = {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "find", "arguments": "{}"}}]}
    row = {"input": {"messages": [ASK], "tools": [tool]}, "preferred_output": [call], "non_preferred_output": [BAD]}
    result = convert(row, "preference")
    assert result.faults == []
    assert result.tools[0]["function"]["name"] == "find"
    assert result.messages[-1]["tool_calls"][0]["function"]["name"] == "find"


def test_weights_say_nothing_about_a_comparison():
    result = convert({"chosen": [ASK, {**GOOD, "weight": 0}], "rejected": [ASK, {**BAD, "weight": 2}]}, "preference")
    assert (result.messages, result.rejected) == ([ASK, GOOD], BAD)


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"chosen": "Paris", "rejected": "Rome"}, "no_prompt"),
        ({"prompt": "Capital of Italy?", "chosen": [ASK, GOOD], "rejected": [ASK, BAD]}, "two_prompts"),
        ({"chosen": [ASK, GOOD], "rejected": [{**ASK, "content": "?"}, BAD]}, "two_prompts"),
        ({"prompt": "x", "chosen": "Paris", "rejected": "Paris"}, "same_answers"),
        ({"prompt": "x", "chosen": [GOOD, ASK], "rejected": "Rome"}, "no_answer"),
        ({"prompt": "x", "chosen": [], "rejected": "Rome"}, "not_messages"),
        ({"prompt": "x", "chosen": 7, "rejected": None}, "not_a_string"),
        ({"prompt": "x", "chosen": "Paris"}, "missing_key"),
        ({"input": "x", "preferred_output": [GOOD], "non_preferred_output": [BAD]}, "not_messages"),
        ({"input": {"messages": [ASK]}, "preferred_output": [GOOD]}, "missing_key"),
        ({"prompt": 5, "chosen": "Paris", "rejected": "Rome"}, "not_messages"),
    ],
)
def test_what_is_no_pair_is_told(row, code):
    assert code in {fault.code for fault in convert(row, "preference").faults}


def test_keys_that_nothing_reads_are_told():
    row = {**FORMS[0], "score_chosen": 9.0}
    assert convert(row, "preference").unused == ["/score_chosen"]
    row = {**FORMS[-1], "input": {"messages": [ASK], "parallel_tool_calls": True}}
    assert convert(row, "preference").unused == ["/input/parallel_tool_calls"]


def test_a_pair_survives_writing_and_its_rejected_answer_is_part_of_its_id():
    examples = [Example([ASK, GOOD], None, Location("x", n), None, bad) for n, bad in enumerate([BAD, None, BAD])]
    rows = [row for row, _ in number_rows(examples)]
    assert rows_from_jsonl(rows_to_jsonl(rows)) == rows
    assert len({row.id.split("-")[0] for row in rows}) == 2
    assert {json.dumps(row.with_rejected().messages[-1]) for row in rows} == {json.dumps(BAD), json.dumps(GOOD)}


def prepared(tmp_path, rows, **dataset):
    folder = tmp_path / "specs" / "bot"
    folder.mkdir(parents=True)
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = {"train": ["*.jsonl"], "checks": {"min_examples": 1, "pii": "warn"}, "system_prompt": "Be brief."}
    return prepare(Dataset.model_validate(settings | dataset), folder, tmp_path, None)


def test_preference_files_are_prepared_without_a_word_about_conflicts(tmp_path):
    rows = [{"prompt": f"question {n // 2}", "chosen": f"a{n % 2}", "rejected": f"b{n}"} for n in range(80)]
    result = prepared(tmp_path, rows)
    found = [*result.train, *result.validation, *result.test]
    assert len(found) == 80
    assert all(row.rejected and row.messages[0]["content"] == "Be brief." for row in found)
    assert result.card["formats"] == {"preference": 80}
    assert result.findings == []


def test_a_rejected_answer_is_looked_at_too(tmp_path):
    rows = [{"prompt": f"question {n}", "chosen": "a", "rejected": "b"} for n in range(40)]
    result = prepared(tmp_path, [*rows, {"prompt": "mail?", "chosen": "no", "rejected": "ask jane.doe@gmail.com"}])
    assert [finding.code for finding in result.findings] == ["pii_email"]
    with pytest.raises(DataError, match=r"pairs.jsonl:41: in the rejected answer: the answer is empty"):
        prepared(tmp_path / "2", [*rows, {"prompt": "x", "chosen": "a", "rejected": " "}])
