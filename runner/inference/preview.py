"""Rows -> what a model reads and learns of each, token by token (`gitune data preview`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from runner.data.rows import Row
from runner.models.base import BaseFiles
from runner.models.chat import MASKED, EncodedRow, encode_row, learns, why_nothing
from runner.models.checkpoint import load_tokenizer
from runner.spec.models import Training

_LONGEST_CHARACTER = 4
"""Bytes of UTF-8; a byte-level token may hold one of them."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A token, or the few that only together are text."""

    ids: list[int]
    """Token ids."""
    text: str
    """What they say."""
    weight: float
    """How much their loss counts: 0 read only, 1 learned."""


@dataclass(frozen=True, slots=True)
class PreviewedRow:
    """A row as training reads it."""

    id: str
    """Row id."""
    pieces: list[Piece]
    """The whole row, in order."""
    problem: str
    """Why training would refuse it; empty when it would not."""
    rejected: bool = False
    """Whether this is the row with its rejected answer."""

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return sum(len(piece.ids) for piece in self.pieces)

    @property
    def trained(self) -> int:
        """Number of tokens that are learned."""
        return sum(len(piece.ids) for piece in self.pieces if piece.weight)


def preview(rows: Sequence[Row], base: BaseFiles, training: Training) -> list[PreviewedRow]:
    """Return rows with each token and how much it is learned; of preference data both answers.

    Raises:
        TerminalError: naming a row that the chat template cannot render.
    """
    tokenizer = load_tokenizer(base.checkpoint, base.ref.chat_template)
    shown = []
    for row in rows:
        shown.append(_previewed(tokenizer, row, training))
        if training.objective == "dpo" and row.rejected is not None:
            shown.append(replace(_previewed(tokenizer, row.with_rejected(), training), rejected=True))
    return shown


def _previewed(tokenizer: Any, row: Row, training: Training) -> PreviewedRow:
    encoded = encode_row(tokenizer, row, training)
    return PreviewedRow(row.id, [*_pieces(tokenizer, encoded)], _problem(row, encoded, training))


def _problem(row: Row, encoded: EncodedRow, training: Training) -> str:
    if not learns(encoded):
        return f"nothing is learned: {why_nothing(row, training)}"
    if len(encoded.input_ids) > training.max_length:
        return f"longer than training.max_length {training.max_length}"
    return ""


def _pieces(tokenizer: Any, row: EncodedRow) -> Iterator[Piece]:
    weights = row.weights or [float(label != MASKED) for label in row.labels]
    changes = [0, *(at for at, (left, right) in enumerate(pairwise(weights), 1) if left != right), len(weights)]
    for start, end in pairwise(changes):
        for ids, text in _texts(tokenizer, row.input_ids[start:end]):
            yield Piece(ids, text, weights[start])


def _texts(tokenizer: Any, ids: Sequence[int]) -> Iterator[tuple[list[int], str]]:
    """Yield tokens with their text; those that hold parts of one character together."""
    at = 0
    while at < len(ids):
        groups = (list(ids[at : at + size]) for size in range(1, _LONGEST_CHARACTER + 1))
        told = [(group, tokenizer.decode(group)) for group in groups]
        group, text = next((pair for pair in told if "\ufffd" not in pair[1]), told[0])
        yield group, text
        at += len(group)
