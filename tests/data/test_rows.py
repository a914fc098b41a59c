"""Canonical rows, prompts and the split: what is stable, and against which changes."""

from __future__ import annotations

import hashlib
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.data.prompts import Prompt, prompt_of, prompts_from_jsonl, prompts_of, prompts_to_jsonl, reference_of
from runner.data.rows import Example, Row, content_id, input_of, normalise, number_rows, rows_from_jsonl, rows_to_jsonl
from runner.data.split import PARTS, part_of
from runner.errors import Location
from runner.spec.models import Split

HERE = Location("data/a.jsonl", 1)


def pair(question, answer="yes"):
    return [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]


def examples_of(texts, group=None):
    return [Example(pair(text), group, Location("data/a.jsonl", line)) for line, text in enumerate(texts, 1)]


def rows_of(texts):
    return [row for row, _ in number_rows(examples_of(texts))]


texts = st.lists(st.text(min_size=1) | st.sampled_from(["a", "b", "A "]), max_size=30)


def test_ids_are_pinned():
    turns = b'[{"content":"hi","role":"user"},{"content":"yes","role":"assistant"}]'
    assert content_id(pair("hi")) == hashlib.sha256(b'{"messages":' + turns + b"}").hexdigest()[:16]
    assert content_id(pair("hi"), "7") == hashlib.sha256(b'{"group":"7","messages":' + turns + b"}").hexdigest()[:16]
    assert content_id(pair("hi")) == content_id(
        [{"content": "hi", "role": "user"}, {"content": "yes", "role": "assistant"}]
    )


def test_equal_rows_are_told_apart_by_occurrence():
    rows = rows_of(["a", "b", "a"])
    content = content_id(pair("a"))
    assert [row.id for row in rows if row.id.startswith(content)] == [f"{content}-0", f"{content}-1"]


@given(texts, st.randoms(use_true_random=False))
def test_order_and_files_change_no_byte(found, shuffler):
    moved = [*found]
    shuffler.shuffle(moved)
    assert rows_to_jsonl(rows_of(moved)) == rows_to_jsonl(rows_of(found))


@given(texts)
def test_rows_survive_the_round_trip(found):
    rows = [*rows_of(found), Row("0-0", pair("x\u2028y"), "group")]
    data = rows_to_jsonl(rows)
    assert rows_from_jsonl(data) == rows
    assert data.count(b"\n") == len(rows)
    assert rows_to_jsonl(rows_from_jsonl(data)) == data


def test_no_rows_are_no_bytes():
    assert rows_to_jsonl([]) == b""
    assert rows_from_jsonl(b"") == []


@pytest.mark.parametrize(
    "same", ["Where is  my ORDER?", "where is my order?", "\tWhere is my order?\n", "\uff37here is my order?"]
)
def test_inputs_are_compared_normalised(same):
    assert input_of(pair(same)) == input_of(pair("Where is my order?"))


@pytest.mark.parametrize("other", ["Where is my order", "Where is my orders?", "Wher is my order?"])
def test_other_inputs_stay_different(other):
    assert input_of(pair(other)) != input_of(pair("Where is my order?"))


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)


def test_the_input_is_what_stands_before_the_last_answer():
    long = [*pair("a", "b"), *pair("c", "d")]
    system = {"role": "system", "content": "Route."}
    assert input_of([system, *pair("a")]) == "a"
    assert input_of(long) == "user: a\nassistant: b\nuser: c"
    assert input_of([system, *long]) == input_of(long)


@given(texts, texts, st.integers(0, 5))
def test_adding_rows_moves_no_old_one(old, new, seed):
    split = Split(validation=0.3, test=0.3, seed=seed)
    before = {row.id: part_of(row, split) for row in rows_of(old)}
    after = {row.id: part_of(row, split) for row in rows_of([*new, *old])}
    assert before.items() <= after.items()


@given(st.text(min_size=1), st.sampled_from(["yes", "no"]), st.integers(0, 50))
def test_equal_inputs_stand_together(text, answer, seed):
    split = Split(validation=0.3, test=0.3, seed=seed)
    one, other = Row("x", pair(text)), Row("y", pair(f" {text} ", answer))
    assert part_of(one, split) == part_of(other, split)


@given(st.text(min_size=1), st.text(min_size=1), st.integers(0, 50))
def test_rows_of_a_group_stand_together(one, other, seed):
    split = Split(validation=0.3, test=0.3, seed=seed, group_by="customer")
    assert part_of(Row("x", pair(one), "7"), split) == part_of(Row("y", pair(other), "7"), split)


def test_shares_come_out_as_asked():
    rows = rows_of([f"question {number}" for number in range(4000)])
    counts = {part: sum(part_of(row, Split()) == part for row in rows) / len(rows) for part in PARTS}
    assert counts == pytest.approx({"train": 0.7, "validation": 0.1, "test": 0.2}, abs=0.02)


def test_given_parts_take_nothing_from_train():
    rows = rows_of([f"question {number}" for number in range(300)])
    parts = {part_of(row, Split(), test_given=True) for row in rows}
    assert parts == {"train", "validation"}
    assert {part_of(row, Split(), test_given=True, validation_given=True) for row in rows} == {"train"}


def test_one_share_does_not_move_the_other_part():
    rows = rows_of([f"question {number}" for number in range(300)])
    for row in rows:
        small, large = (part_of(row, Split(test=share)) for share in (0.1, 0.3))
        assert (small == "validation") == (large == "validation")
        assert small != "test" or large == "test"


def test_the_split_is_pinned():
    split = Split(validation=0.25, test=0.25)
    rows = [Row("x", pair(f"question {number}")) for number in range(20)]
    assert "".join(str(PARTS.index(part_of(row, split))) for row in rows) == "00222012010010001220"
    grouped = [Row("x", pair("same"), f"customer {number}") for number in range(20)]
    assert "".join(str(PARTS.index(part_of(row, split))) for row in grouped) == "01000000111202010000"


@given(texts)
def test_prompts_are_unique_sorted_and_survive_the_round_trip(found):
    prompts = prompts_of(rows_of([*found, *found]))
    assert [prompt.id for prompt in prompts] == sorted({prompt.id for prompt in prompts})
    assert len(prompts) == len(set(found))
    assert prompts_from_jsonl(prompts_to_jsonl(prompts)) == prompts


def test_a_prompt_is_what_stands_before_the_last_answer():
    row = Row("x", [*pair("a", "b"), *pair("c", "d")])
    assert prompt_of(row) == Prompt(content_id(row.messages[:-1]), row.messages[:-1])
    assert reference_of(row) == "d"


def test_random_order_of_many_files_changes_no_id():
    shuffled = [f"q{number % 50}" for number in range(200)]
    random.Random(1).shuffle(shuffled)
    assert json.dumps([row.id for row in rows_of(shuffled)]) == json.dumps(
        [row.id for row in rows_of(sorted(shuffled))]
    )
