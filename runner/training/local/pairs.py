"""Rows of preference data -> two tokenized rows each, for one question with a better and a worse answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runner.data.rows import Row
from runner.models.chat import MASKED, EncodedRow, encode_rows
from runner.spec.models import Training


@dataclass(frozen=True, slots=True)
class EncodedPair:
    """Both answers to one question, each after its prompt; what is learned of each is its answer."""

    chosen: EncodedRow
    rejected: EncodedRow

    @property
    def id(self) -> str:
        """Row id."""
        return self.chosen.id

    def together(self) -> EncodedRow:
        """Return both as one row: a forward pass holds them together, so that is what memory depends on."""
        one, other = self.chosen, self.rejected
        return EncodedRow(self.id, one.input_ids + other.input_ids, one.labels + other.labels)

    def columns(self) -> dict[str, list[int]]:
        """Return the pair as TRL names it."""
        prompt, chosen = _parts(self.chosen)
        return {"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": _parts(self.rejected)[1]}


def encode_pairs(tokenizer: Any, rows: Sequence[Row], training: Training) -> list[EncodedPair]:
    """Tokenize preference data as it will be served: both answers after the same prompt.

    Raises:
        TerminalError: naming the rows that are too long or cannot be rendered.
    """
    chosen = encode_rows(tokenizer, rows, training)
    rejected = encode_rows(tokenizer, [row.with_rejected() for row in rows], training)
    return [EncodedPair(*pair) for pair in zip(chosen, rejected, strict=True)]


def _parts(row: EncodedRow) -> tuple[list[int], list[int]]:
    """Split a row into its prompt and its answer, and drop what no model writes: white space after its last token."""
    learned = [at for at, label in enumerate(row.labels) if label != MASKED]
    return row.input_ids[: learned[0]], row.input_ids[learned[0] : learned[-1] + 1]
