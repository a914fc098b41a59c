"""Packing keeps every example whole: its tokens in order, its positions, what it learns; and never computes more."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.models.chat import MASKED, EncodedRow
from runner.training.local.batches import PassLimit, cut
from runner.training.local.prefix_tree import WORTH_SHARING, pack

TOKENS = st.integers(0, 2)


@st.composite
def rows(draw):
    """Rows that often begin alike, at several depths, and sometimes are equal or one the beginning of another."""
    stems = draw(st.lists(st.lists(TOKENS, min_size=1, max_size=40), min_size=1, max_size=3))
    found = []
    for number in range(draw(st.integers(1, 9))):
        stem = draw(st.sampled_from(stems + [row.input_ids for row in found]))
        ids = stem[: draw(st.integers(1, len(stem)))] + draw(st.lists(TOKENS, max_size=30))
        labels = [token if draw(st.booleans()) else MASKED for token in ids]
        found.append(EncodedRow(str(number), ids, labels))
    return found


def paths(packed):
    """Return every way from a beginning to the end of a segment, as indices."""
    return [context + own for context, members in packed.families for own in members]


@given(rows())
def test_every_row_is_a_path_with_its_own_positions(rows):
    packed = pack(rows)
    found = {tuple(packed.input_ids[i] for i in path) for path in paths(packed)}
    assert all(tuple(row.input_ids) in found for row in rows)
    assert all([packed.positions[i] for i in path] == list(range(len(path))) for path in paths(packed))


@given(rows())
def test_every_token_stands_in_exactly_one_segment_and_none_is_computed_twice_for_nothing(rows):
    packed = pack(rows)
    own = sorted(index for _, members in packed.families for member in members for index in member)
    assert own == list(range(len(packed.input_ids)))
    assert len(packed.input_ids) <= sum(len(row.input_ids) for row in rows)


@given(rows())
def test_what_is_learned_is_what_the_rows_learn(rows):
    packed = pack(rows)
    expected = {}
    for row in rows:
        for position in range(1, len(row.input_ids)):
            if row.labels[position] != MASKED:
                what = (tuple(row.input_ids[:position]), row.labels[position])
                expected[what] = expected.get(what, 0) + 1
    beginnings = {path[-1]: path for whole in paths(packed) for path in (whole[: n + 1] for n in range(len(whole)))}
    found = {}
    for target, weight in packed.targets.items():
        what = (tuple(packed.input_ids[i] for i in beginnings[target.source]), target.token)
        found[what] = found.get(what, 0) + weight
    assert found == expected


def row(name, *parts):
    ids = [token for part in parts for token in part]
    return EncodedRow(name, ids, ids)


A, B, C = ([token] * WORTH_SHARING for token in (1, 2, 3))


@pytest.mark.parametrize(
    ("rows", "computed"),
    [
        ([row("a", A, [5]), row("b", A, [6])], WORTH_SHARING + 2),
        ([row("a", A, B, [5]), row("b", A, B, [6]), row("c", A, C)], 3 * WORTH_SHARING + 2),
        ([row("a", A, [5]), row("b", A, [6]), row("c", B, [5]), row("d", B, [6])], 2 * WORTH_SHARING + 4),
        ([row("a", A[1:], [5]), row("b", A[1:], [6])], 2 * WORTH_SHARING),
        ([row("a", A[1:], [5]), row("b", A[1:], [6]), row("c", A[1:], [7])], WORTH_SHARING - 1 + 3),
        ([row("a", A), row("b", A)], WORTH_SHARING),
        ([row("a", A), row("b", A, [5])], WORTH_SHARING + 1),
        ([row("a", A)], WORTH_SHARING),
    ],
    ids=[
        "one prompt",
        "two levels",
        "two prompts",
        "too short for two",
        "long enough for three",
        "equal",
        "inside",
        "one",
    ],
)
def test_beginnings_worth_it_are_computed_once(rows, computed):
    assert len(pack(rows).input_ids) == computed


def test_passes_hold_every_row_once_within_the_limit():
    examples = [EncodedRow(str(n), [1] * (n + 1), [MASKED] * (n + 1)) for n in range(60)]
    costs = [len(example.input_ids) // 2 for example in examples]
    passes = list(cut(examples, costs, PassLimit(100)))
    assert [row for held in passes for row in held] == examples
    for held in passes:
        tokens = len(held[0].input_ids) + sum(len(example.input_ids) // 2 for example in held[1:])
        assert tokens <= 100 or len(held) == 1
    assert [len(held) for held in cut(examples, costs, PassLimit(10**6, rows=25))] == [25, 25, 10]
