"""(training rows, test rows) -> for each test row the training rows that ask nearly the same.

A model that has seen a question, or nearly, shows what it remembers and not what it learned. So every metric is told
twice, for all test rows and for those without a near neighbour. Rows are compared by their inputs, as `data.rows`
normalises them. They are near when these are equal, or share their words (TF-IDF cosine of at least `WORDS`) or their
letters (ratio of at least `LETTERS`). With these thresholds all planted leaks were found (equal, other case, one word
edited, wrapped, a part) and no honest row was taken for one: docs/evaluation.md has the figures.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner.data.rows import Row, input_of

WORDS = 0.7
LETTERS = 0.85

NEAREST = 3
"""Training rows that are kept of each test row."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A training row and how similar its input is."""

    row: str
    """Its id."""
    similarity: float
    """How similar the words are, or the letters where these alone make it near; 0 to 1, near from `WORDS` on."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What training holds that is most like one test row."""

    row: str
    """Id of the test row."""
    near: bool
    """Whether one of the training rows asks nearly the same."""
    nearest: tuple[Neighbour, ...]
    """The most similar ones, the first the nearest; near or not."""


def find_neighbours(train: Sequence[Row], test: Sequence[Row]) -> list[Neighbours]:
    """Return the neighbours of every test row, in the order of the test rows."""
    known: dict[str, list[str]] = {}
    for row in train:
        known.setdefault(input_of(row.messages), []).append(row.id)
    inputs = [input_of(row.messages) for row in test]
    asked = [*dict.fromkeys(inputs)]
    found = dict(zip(asked, _nearest(asked, known), strict=True))
    return [Neighbours(row.id, *found[text]) for row, text in zip(test, inputs, strict=True)]


def _nearest(asked: Sequence[str], known: Mapping[str, Sequence[str]]) -> list[tuple[bool, tuple[Neighbour, ...]]]:
    from runner.data.similarity import closest

    texts = [*known]
    found = []
    for text, candidates in zip(asked, closest(asked, texts), strict=True):
        ranked = sorted((-_similarity(text, texts[at], words, letters), at) for at, words, letters in candidates)
        rows = [Neighbour(row, round(-minus, 3)) for minus, place in ranked for row in known[texts[place]]]
        found.append((bool(ranked) and -ranked[0][0] >= WORDS, tuple(rows[:NEAREST])))
    return found


def _similarity(text: str, other: str, words: float, letters: float) -> float:
    if text == other:
        return 1.0
    # Any two short texts share half of their letters: below the threshold that says nothing.
    return max(words, letters) if letters >= LETTERS else words


def neighbours_to_json(found: Sequence[Neighbours]) -> list[dict[str, Any]]:
    """Return neighbours as the objects that `prepare` stores, one a line."""
    return [
        {
            "row": one.row,
            "near": one.near,
            "nearest": [{"row": other.row, "similarity": other.similarity} for other in one.nearest],
        }
        for one in found
    ]


def neighbours_from_jsonl(data: bytes) -> list[Neighbours]:
    """Decode what `prepare` stored."""
    values = [json.loads(line) for line in data.split(b"\n") if line]
    return [
        Neighbours(
            value["row"],
            value["near"],
            tuple(Neighbour(other["row"], other["similarity"]) for other in value["nearest"]),
        )
        for value in values
    ]


def near_flags(data: bytes | None, rows: Sequence[Row]) -> list[bool]:
    """Return which test rows have a near neighbour, in their order; nothing when that is not known.

    Args:
        data: the artifact `neighbours`; None where an older release prepared the rows.
        rows: the test split.
    """
    if data is None:
        return []
    near = {found.row: found.near for found in neighbours_from_jsonl(data)}
    return [near[row.id] for row in rows]
