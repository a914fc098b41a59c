"""Strict reading of JSON: what is refused, and in which words."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.contract.strict_json import MAX_DEPTH, JsonFault, read_json

FAULTS = {
    "empty": ("", "empty", "nothing"),
    "only space": (" \n\t", "empty", "nothing"),
    "duplicate key": ('{"a": 1, "a": 2}', "duplicate_key", "'a' occurs twice"),
    "nested duplicate key": ('{"x": [{"role": 1, "role": 2}]}', "duplicate_key", "'role'"),
    "NaN": ('{"a": NaN}', "not_json", "NaN"),
    "Infinity": ('{"a": -Infinity}', "not_json", "-Infinity"),
    "number beyond a float": ('{"a": 1e999}', "not_json", "too large"),
    "endless integer": ("1" * 5000, "not_json", "4300 digits"),
    "lone surrogate": (r'{"a": "\ud83d"}', "not_json", "surrogate"),
    "lone surrogate in a key": (r'{"\uDE00": 1}', "not_json", "surrogate"),
    "two values": ('{"a": 1} {"b": 2}', "extra_text", "second JSON value"),
    "text behind": ('{"a": 1} thanks', "extra_text", "more text"),
    "single quotes": ("{'a': 1}", "not_json", "single quotes"),
    "trailing comma in an object": ('{"a": 1, }', "not_json", "comma"),
    "trailing comma in a list": ("[1,]", "not_json", "comma"),
    "Python's None": ('{"a": None}', "not_json", "None"),
    "raw tab": ('{"a": "x\ty"}', "not_json", "U+0009"),
    "raw NUL": ('{"a": "x\0y"}', "not_json", "U+0000"),
    "byte order mark": ("\ufeff{}", "not_json", "byte order mark"),
    "too deep": ("[" * 150 + "]" * 150, "not_json", "levels"),
    "far too deep": ("[" * 100_000 + "]" * 100_000, "not_json", "levels"),
    "missing quote": ('{"a": "x, "b": 1}', "not_json", "not JSON"),
    "missing colon": ('{"a" 1}', "not_json", "expecting ':'"),
}


@pytest.mark.parametrize(("text", "kind", "words"), FAULTS.values(), ids=FAULTS)
def test_faults_are_named(text, kind, words):
    fault = read_json(text)
    assert isinstance(fault, JsonFault)
    assert (fault.kind, words in fault.message) == (kind, True), fault


WHOLE = r'{"queue": "bill\u00e9 \n", "tags": [true, null, -1.5e3], "deep": {"x": "€"}}'


@pytest.mark.parametrize("length", range(1, len(WHOLE)))
def test_every_beginning_of_an_object_is_cut_off(length):
    fault = read_json(WHOLE[:length])
    assert isinstance(fault, JsonFault)
    assert fault.kind == "cut_off", (WHOLE[:length], fault)


@pytest.mark.parametrize(
    "text", ["[]", "{}", " 1 ", '"\\ud83d\\ude00"', r'"\\ud83d"', "[" * MAX_DEPTH + "]" * MAX_DEPTH, WHOLE]
)
def test_good_json_is_read(text):
    assert read_json(text) == json.loads(text)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)


@given(values)
def test_what_python_writes_is_read_back(value):
    assert read_json(json.dumps(value)) == value
    assert read_json(json.dumps(value, ensure_ascii=False)) == value


@given(st.text() | st.text(alphabet='{}[]",:\\u0dtrue nNaI1e9.-\ufeff'))
def test_any_text_is_read_or_refused_as_strictly_as_python_at_least(text):
    value = read_json(text)
    if not isinstance(value, JsonFault):
        assert value == json.loads(text)
