"""What prompts begin with alike: long enough to be worth it, shorter than each of them, whatever the order."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.inference.beginnings import WORTH_SHARING, shared_beginnings

LONG = tuple(range(WORTH_SHARING + 4))
SHORT = LONG[: WORTH_SHARING - 1]


@pytest.mark.parametrize(
    ("prompts", "shared"),
    [
        ({"a": (*LONG, 90), "b": (*LONG, 91, 92)}, {"a": LONG, "b": LONG}),
        ({"a": (*LONG, 90), "b": (*LONG, 90)}, {"a": LONG, "b": LONG}),
        ({"a": LONG, "b": (*LONG, 91)}, {"a": LONG[:-1], "b": LONG[:-1]}),
        ({"a": (*LONG, 90)}, {}),
        ({"a": (*SHORT, 90), "b": (*SHORT, 91)}, {}),
        ({"a": (*LONG, 90), "b": (*LONG, 91), "c": (7, 8, 9)}, {"a": LONG, "b": LONG}),
        ({}, {}),
    ],
)
def test_examples(prompts, shared):
    assert shared_beginnings(prompts, dict.fromkeys(prompts, "")) == shared


def test_other_instructions_share_nothing_with_each_other():
    prompts = {"a": (*LONG, 1, 2), "b": (*LONG, 1, 3), "c": (*LONG, 5, 6), "d": (*LONG, 5, 7)}
    found = shared_beginnings(prompts, {"a": "x", "b": "x", "c": "y", "d": "y"})
    assert found["a"] == found["b"] == (*LONG, 1)
    assert found["c"] == found["d"] == (*LONG, 5)


@given(
    st.dictionaries(st.text(max_size=2), st.lists(st.integers(0, 1), min_size=1, max_size=WORTH_SHARING * 2)),
    st.randoms(),
)
def test_it_is_a_real_beginning_whatever_the_order(prompts, random):
    groups = dict.fromkeys(prompts, "")
    found = shared_beginnings(prompts, groups)
    names = list(prompts)
    random.shuffle(names)
    assert shared_beginnings({name: prompts[name] for name in names}, groups) == found
    for name, beginning in found.items():
        assert WORTH_SHARING <= len(beginning) < len(prompts[name])
        assert tuple(prompts[name][: len(beginning)]) == beginning
