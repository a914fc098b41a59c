"""Events are written by strangers in part: whatever they hold, it is a number, a text or nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import UsageError
from runner.github.event import Event, is_sha, read_event
from runner.github.outputs import SUMMARY_LIMIT, write_output, write_summary

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "b", "c"]) | st.text(), inner),
)


@given(ANYTHING, st.lists(st.sampled_from(["a", "b", "c"]), max_size=3))
def test_a_value_is_what_it_should_be_or_nothing(payload, path):
    event = Event("push", {"a": payload})
    number = event.number("a", *path)
    assert number is None or (type(number) is int and number > 0)
    assert isinstance(event.text("a", *path), str)


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (7, 7), ("7", 7), (0, None), (-7, None), ("07", None), ("7\n", None), (" 7", None), ("7; id", None),
        (True, None), (7.0, None), ("\u0667", None), ("1" * 11, None), ([7], None), (None, None),
    ],
)  # fmt: skip
def test_numbers(value, number):
    assert Event("push", {"inputs": {"number": value}}).number("inputs", "number") == number


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("a" * 40, True),
        ("A" * 40, False),
        ("a" * 39, False),
        ("a" * 40 + "\n", False),
        ("", False),
        ("\u0667" * 40, False),
    ],
)
def test_commits(text, right):
    assert is_sha(text) is right


def environ(tmp_path, text):
    (tmp_path / "event.json").write_text(text)
    return {"GITHUB_EVENT_NAME": "push", "GITHUB_EVENT_PATH": str(tmp_path / "event.json")}


def test_an_event_is_read(tmp_path):
    assert read_event(environ(tmp_path, json.dumps({"a": {"b": "c"}}))).text("a", "b") == "c"


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"text"', "\x00"])
def test_what_is_no_event_is_said(tmp_path, text):
    with pytest.raises(UsageError, match=r"event\.json"):
        read_event(environ(tmp_path, text))


def test_without_an_event_it_is_said():
    with pytest.raises(UsageError, match="no event"):
        read_event({})


@given(st.text())
def test_no_output_can_set_another_one(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("job") / "output"
    write_output({"GITHUB_OUTPUT": str(path)}, "sha", value)
    lines = path.read_bytes().decode().split("\n")
    end = lines[0].removeprefix("sha<<")
    assert (lines[1:].index(end), lines[-1]) == (len(lines) - 3, "")


def test_summaries_fit_together(tmp_path):
    path = tmp_path / "summary"
    for text in ("ä line\n" * 100_000, "short", "b line\n" * 100_000, "c" * 2_000_000, "d\n"):
        write_summary({"GITHUB_STEP_SUMMARY": str(path)}, text)
    data = path.read_bytes()
    assert len(data) <= SUMMARY_LIMIT
    assert data.endswith((b"b line\n", b"d\n\n"))
    assert b"short\n" in data
    assert b"c" not in data
