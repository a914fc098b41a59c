"""`extract: true`: which JSON is taken out of an answer, and how answers are judged then."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.contract.contract import build_contract, contract_digest_input
from runner.contract.extract import effective_answer, find_json
from runner.errors import Location
from runner.spec.evaluation import JsonSchemaFormat

WHERE = Location("specs/x/spec.yaml", 9, 3)
GOOD = '{"queue": "billing"}'
SCHEMA = {
    "type": "object",
    "properties": {"queue": {"enum": ["billing", "shipping"]}},
    "required": ["queue"],
    "additionalProperties": False,
}

TEXTS = {
    "the whole text": (GOOD, GOOD),
    "white space around": (f" \n{GOOD}\r\n", GOOD),
    "an array": ("[1, 2]", "[1, 2]"),
    "a fence": (f"```json\n{GOOD}\n```", GOOD),
    "a fence without a language": (f"```\n{GOOD}\n```", GOOD),
    "a fence in prose": (f"Sure, here [1] it is:\n```json\n{GOOD}\n```\nDone {{}}.", GOOD),
    "the second fence, where the first holds no JSON": (f"```\nhello\n```\n```json\n{GOOD}\n```", GOOD),
    "prose around": (f"The answer is {GOOD}, I think.", GOOD),
    "the first of two": (f"{GOOD} or [2]", GOOD),
    "a brace that begins nothing": (f"the set {{a, b}} means {GOOD}", GOOD),
    "a bracket inside a text": ('say {"a": "}]{"} now', '{"a": "}]{"}'),
    "the outer one": ('x {"a": {"b": [1]}} y', '{"a": {"b": [1]}}'),
    "cut off": ('Sure: {"a": {"b": 1}, "c', '{"a": {"b": 1}, "c'),
    "cut off inside a fence": ('```json\n{"a": {"b": 1}, ', '{"a": {"b": 1},'),
    "duplicate keys": ('so {"a": 1, "a": 2}!', '{"a": 1, "a": 2}'),
    "nothing": ("billing", None),
    "a lone bracket at the end": ("see [", None),
    "a scalar": ("42", None),
    "empty": ("", None),
}


@pytest.mark.parametrize(("text", "found"), TEXTS.values(), ids=TEXTS)
def test_the_same_json_is_always_taken(text, found):
    assert find_json(text) == found


PROSE = st.text(st.characters(exclude_characters="{}[]`", exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
).filter(lambda value: isinstance(value, dict | list))


@given(PROSE, VALUES, PROSE, st.booleans())
def test_json_in_prose_is_found_exactly_and_once(before, value, after, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    found = find_json(f"{before}{text}{after}")
    assert found == text
    assert find_json(found) == found


@pytest.mark.parametrize("text", ["[" * 300_000, '{"a":' * 60_000, "{" * 300_000, "[1," * 100_000 + "x", "`" * 300_000])
def test_a_hostile_answer_costs_little(text):
    started = time.process_time()
    find_json(text)
    assert time.process_time() - started < 2


def contract(folder, **more):
    (folder / "s.json").write_text(json.dumps(SCHEMA))
    return build_contract(JsonSchemaFormat(json_schema="s.json", **more), folder, folder, WHERE)


@pytest.mark.parametrize(
    ("text", "strict", "extracting"),
    [
        (GOOD, [], []),
        (f"```json\n{GOOD}\n```", ["code_fence"], []),
        (f"It is {GOOD}.", ["prose_around_json"], []),
        (f"{GOOD} It is.", ["prose_around_json"], []),
        ('So: {"queue": "biling"}', ["prose_around_json"], ["not_in_enum"]),
        ('So: {"queue": "billing", "queue": "shipping"}', ["prose_around_json"], ["duplicate_key"]),
        ('{"queue": "bil', ["cut_off"], ["cut_off"]),
        ('So: {"queue": "bil', ["prose_around_json"], ["cut_off"]),
        ("billing", ["not_json"], ["not_json"]),
    ],
)
def test_what_stands_around_the_json_counts_only_when_it_is_not_extracted(tmp_path, text, strict, extracting):
    assert [found.kind for found in contract(tmp_path).check(text)] == strict
    assert [found.kind for found in contract(tmp_path, extract=True).check(text)] == extracting


def test_the_length_is_that_of_the_json_taken_out(tmp_path):
    limited = contract(tmp_path, extract=True, max_length=len(GOOD))
    assert limited.check(f"A long and friendly introduction: {GOOD}") == []
    longer = GOOD.replace(":", ":  ")
    assert [found.kind for found in limited.check(longer)] == ["too_long"]


def test_what_is_compared_is_what_was_taken_out(tmp_path):
    fenced = f"```json\n{GOOD}\n```"
    assert effective_answer(fenced, contract(tmp_path, extract=True, max_length=99)) == GOOD
    assert effective_answer(fenced, contract(tmp_path)) == fenced
    assert effective_answer(fenced, None) == fenced
    assert effective_answer("no JSON at all", contract(tmp_path, extract=True)) == "no JSON at all"


def test_extraction_changes_the_digest_and_nothing_else_does(tmp_path):
    (tmp_path / "s.json").write_text(json.dumps(SCHEMA))

    def digest(**more):
        return contract_digest_input(JsonSchemaFormat(json_schema="s.json", **more), tmp_path, tmp_path)

    assert digest() == {"json_schema": SCHEMA}
    assert digest(extract=True) == {"json_schema": SCHEMA, "extract": True}
    assert digest(max_length=5) == {"json_schema": SCHEMA, "max_length": 5}
