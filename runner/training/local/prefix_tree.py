"""Examples that begin alike -> one sequence in which every shared beginning stands once.

`[shared beginning][rest of example 1][rest of example 2]…`: the segments of a tree over token ids. Position ids go on
from the parent's end, and a segment sees its ancestors and itself, so every token has the neighbours and the place it
has in its own example; loss and gradient are those of the padded batch. The idea of one shared prefix is known from
reinforcement learning (Prefix Grouper, arXiv:2506.05433) and DPO (Cascade-style prefix sharing, arXiv:2410.20305); a
tree also covers several system prompts and conversations that part ways late.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from runner.models.chat import MASKED, EncodedRow

WORTH_SHARING = 16
"""Computed tokens that a shared segment must save: each costs one more attention call in every layer."""


@dataclass(slots=True)
class Segment:
    """Consecutive tokens of one or more examples."""

    rows: list[int]
    """Examples that contain it."""
    start: int
    """Position of its first token in those examples."""
    end: int
    """Position after its last token."""
    parent: Segment | None
    """What stands before it; None at the beginning of an example."""
    at: int = 0
    """Where its first token stands in the packed sequence."""

    def chain(self) -> list[Segment]:
        """Return its ancestors and itself, from the beginning of the example."""
        return [*(self.parent.chain() if self.parent else []), self]


class Target(NamedTuple):
    """One token to predict."""

    source: int
    """Packed index of the token before it, whose hidden state predicts it."""
    token: int
    """Token id."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Examples as one sequence. Indices count from the beginning of the packed sequence."""

    input_ids: list[int]
    positions: list[int]
    """Position of each token in its examples."""
    families: list[tuple[list[int], list[list[int]]]]
    """For each set of segments with the same parent: indices of what they all see, and of each segment's own tokens."""
    targets: dict[Target, float]
    """Tokens to predict -> the sum of their weights over the examples that share them."""


def pack(rows: Sequence[EncodedRow]) -> Packed:
    """Lay out examples as one sequence, each shared beginning once."""
    segments = _grow(rows)
    _place(segments)
    ids = [token for segment in segments for token in rows[segment.rows[0]].input_ids[segment.start : segment.end]]
    positions = [position for segment in segments for position in range(segment.start, segment.end)]
    children: dict[int | None, list[Segment]] = defaultdict(list)
    for segment in segments:
        children[None if segment.parent is None else id(segment.parent)].append(segment)
    families = [(_indices(family[0].parent), [_own(s) for s in family]) for family in children.values()]
    return Packed(ids, positions, families, _targets(rows, segments))


def common_length(left: Sequence[int], right: Sequence[int]) -> int:
    """Return how many tokens two sequences begin with alike."""
    shorter = min(len(left), len(right))
    return next((i for i in range(shorter) if left[i] != right[i]), shorter)


def _grow(rows: Sequence[EncodedRow]) -> list[Segment]:
    """Return the tree's segments, parents before children."""
    segments: list[Segment] = []

    def add(members: list[int], start: int, end: int, parent: Segment | None) -> None:
        if end == start:  # these examples end with their parent
            return
        own = Segment(members, start, end, parent)
        segments.append(own)
        if len(members) > 1:
            for subset, stop in _split(rows, members, end, end):
                add(subset, end, stop, own)

    order = sorted(range(len(rows)), key=lambda i: rows[i].input_ids)
    for subset, stop in _split(rows, order, 0, 0):
        add(subset, 0, stop, None)
    return segments


def _split(rows: Sequence[EncodedRow], members: list[int], base: int, at: int) -> Iterator[tuple[list[int], int]]:
    """Part sorted examples that agree up to `at` into sets that share a segment from `base` on, with its end.

    What would save too little is left apart, but may still hold subsets worth sharing.
    """
    for _, group in groupby(members, key=lambda i: rows[i].input_ids[at] if len(rows[i].input_ids) > at else None):
        subset = list(group)
        first, last = rows[subset[0]].input_ids, rows[subset[-1]].input_ids
        # Sorted, so what the first and the last begin with all between them do.
        stop = common_length(first, last)
        if len(subset) == 1 or stop == len(first) == len(last) or (len(subset) - 1) * (stop - base) >= WORTH_SHARING:
            yield subset, stop
        else:
            yield from _split(rows, subset, base, stop)


def _place(segments: Sequence[Segment]) -> None:
    at = 0
    for segment in segments:
        segment.at = at
        at += segment.end - segment.start


def _own(segment: Segment) -> list[int]:
    return list(range(segment.at, segment.at + segment.end - segment.start))


def _indices(segment: Segment | None) -> list[int]:
    """Return the packed indices of an example from its beginning to the end of `segment`."""
    return [index for part in (segment.chain() if segment else []) for index in _own(part)]


def _targets(rows: Sequence[EncodedRow], segments: Sequence[Segment]) -> dict[Target, float]:
    deepest: dict[int, Segment] = {}
    for segment in segments:  # parents first, so the last one seen is the deepest
        deepest.update(dict.fromkeys(segment.rows, segment))
    targets: dict[Target, float] = defaultdict(float)
    for number, row in enumerate(rows):
        path = _indices(deepest[number])
        for position, label in enumerate(row.labels[1:], start=1):
            if label != MASKED:
                targets[Target(path[position - 1], label)] += row.weights[position] if row.weights else 1.0
    return dict(targets)
