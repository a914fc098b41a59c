"""Rows -> train, validation and test, each row by the hash of its own group or input.

No row's place depends on another row: adding, removing or reordering rows moves none, and rows with the same input
(or group) always stand together. Test takes the low end of the hash range and validation the high end, so changing
one share leaves the other split as it is.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from runner.data.rows import Row, input_of
from runner.digest import canonical_json
from runner.spec.models import Split

Part = Literal["train", "validation", "test"]

PARTS: tuple[Part, ...] = ("train", "validation", "test")

_RANGE = 1 << 64


def part_of(row: Row, split: Split, *, validation_given: bool = False, test_given: bool = False) -> Part:
    """Return the part a row of `dataset.train` belongs to.

    Args:
        row: the row.
        split: shares and seed.
        validation_given: validation has its own files and takes nothing from train.
        test_given: as above, for test.
    """
    place = _place(row, split.seed)
    if not test_given and place < int(split.test * _RANGE):
        return "test"
    if not validation_given and place >= _RANGE - int(split.validation * _RANGE):
        return "validation"
    return "train"


def _place(row: Row, seed: int) -> int:
    """Return where a row falls in the hash range; the seed salts it."""
    key = ["input", input_of(row.messages)] if row.group is None else ["group", row.group]
    return int.from_bytes(hashlib.sha256(canonical_json([seed, *key])).digest()[:8])
