"""Equal values have equal digests, and only those."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.digest import CHUNK, canonical_json, digest_bytes, digest_file, digest_json

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def shuffled(value):
    """The same value with every mapping's keys in reverse order."""
    if isinstance(value, dict):
        return {key: shuffled(value[key]) for key in reversed(value)}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(VALUES)
def test_canonical_json_reads_back_the_same(value):
    assert json.loads(canonical_json(value)) == value


@given(VALUES)
def test_key_order_does_not_count(value):
    assert canonical_json(shuffled(value)) == canonical_json(value)


@given(VALUES)
def test_canonical_json_is_a_fixed_point(value):
    once = canonical_json(value)
    assert canonical_json(json.loads(once)) == once


@given(VALUES, VALUES)
def test_the_same_digest_means_the_same_value(one, other):
    if digest_json(one) == digest_json(other):
        assert one == other


def test_how_a_number_was_written_does_not_count():
    assert digest_json(json.loads("[0.10, 2.0e-4]")) == digest_json(json.loads("[0.1, 0.0002]"))


@pytest.mark.parametrize(
    ("one", "other"),
    [(0.1, 0.2), ("1", 1), (None, ""), ([], {}), ([1, 2], [2, 1]), ({"a": None}, {}), ("é", "e\u0301"), (True, 1)],
)
def test_what_differs_has_another_digest(one, other):
    assert digest_json(one) != digest_json(other)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("-inf")]}])
def test_what_json_cannot_carry_is_refused(value):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(value)


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", object()])
def test_what_is_not_json_is_refused(value):
    with pytest.raises(TypeError):
        canonical_json(value)


def test_a_known_digest_never_changes():
    value = {"b": [1, 0.1, None, True], "a": "é\n"}
    assert canonical_json(value) == '{"a":"é\\n","b":[1,0.1,null,true]}'.encode()
    assert digest_json(value) == "0aa07ed1fc58a0f5b509804c8cf144566b83956b12d8db6a0321500c7d84f727"


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK + 5])
def test_a_file_has_the_digest_of_its_bytes(tmp_path, size):
    data = bytes(range(256)) * (size // 256 + 1)
    (tmp_path / "file").write_bytes(data[:size])
    assert digest_file(tmp_path / "file") == digest_bytes(data[:size]) == hashlib.sha256(data[:size]).hexdigest()
