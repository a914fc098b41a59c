"""Examples -> effective batches (what one optimizer step learns) -> passes (what one forward pass holds).

Which rows share an effective batch depends on the seed and epoch alone; how it is cut into passes changes speed and
memory, never the gradient.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from runner.models.chat import MASKED, EncodedRow


@dataclass(frozen=True, slots=True)
class PassLimit:
    """What one forward pass may hold."""

    tokens: int
    """Tokens it computes, unless one example alone has more."""
    rows: int | None = None
    """Examples; None for as many as the tokens allow."""

    def at_most(self, rows: int) -> PassLimit:
        """Return the limit that also holds no more than `rows` examples, at least one."""
        return replace(self, rows=max(1, min(rows, self.rows or rows)))

    def halved(self, held: int) -> PassLimit:
        """Return the limit to try after a pass of `held` examples ran out of memory."""
        return replace(self, rows=max(1, held // 2))


def effective_batches(examples: Sequence[EncodedRow], size: int, seed: int, epoch: int) -> list[list[EncodedRow]]:
    """Return the examples of an epoch in shuffled batches of `size`; the last may be smaller."""
    order = list(examples)
    random.Random(f"{seed}/{epoch}").shuffle(order)  # noqa: S311 - an order to learn in, no secret
    return [order[start : start + size] for start in range(0, len(order), size)]


def cut(ordered: Sequence[EncodedRow], costs: Sequence[int], limit: PassLimit) -> Iterator[list[EncodedRow]]:
    """Cut a batch into passes.

    Args:
        ordered: Examples in the order in which they go into passes.
        costs: For each, the tokens that it adds to the pass of its predecessor.
        limit: What a pass may hold; one that begins a pass counts whole.
    """
    held: list[EncodedRow] = []
    tokens = 0
    for example, cost in zip(ordered, costs, strict=True):
        full = tokens + cost > limit.tokens or len(held) == limit.rows
        if held and full:
            yield held
            held, tokens = [], 0
        tokens += cost if held else len(example.input_ids)
        held.append(example)
    if held:
        yield held


def count_labels(examples: Sequence[EncodedRow]) -> float:
    """Return how many tokens a batch learns, each by its weight; the first token of a row is never predicted."""
    return sum(sum(e.weights[1:]) if e.weights else sum(label != MASKED for label in e.labels[1:]) for e in examples)


def learned_share(examples: Sequence[EncodedRow]) -> float:
    """Return the share of all tokens that are learned, whatever their weight."""
    learned = sum(label != MASKED for e in examples for label in e.labels)
    return learned / sum(len(e.input_ids) for e in examples)


def longest_answer(examples: Sequence[EncodedRow]) -> int:
    """Return the tokens of the longest run of learned tokens."""
    runs = (
        list(group) for e in examples for learned, group in groupby(e.labels, lambda label: label != MASKED) if learned
    )
    return max(map(len, runs), default=0)
