"""Examples -> effective batches (what one optimizer step learns) -> micro batches (what one forward pass holds).

Which rows share an effective batch depends on the seed and epoch alone; how it is cut into micro batches changes speed
and memory, never the gradient.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import torch

from runner.models.chat import MASKED, EncodedRow

TOKENS_PER_PASS = {"cpu": 1024, "cuda": 16384}
"""Padded tokens that a forward pass holds at most when `micro_batch_size` is `auto`. A CPU loses a third of its speed
from 1024 to 2048 (padding, caches), a GPU needs many to be busy."""


class Batch(NamedTuple):
    """Right-padded token ids and labels of a few examples; `tokens` counts without padding."""

    input_ids: torch.Tensor
    labels: torch.Tensor
    tokens: int


def effective_batches(examples: Sequence[EncodedRow], size: int, seed: int, epoch: int) -> Iterator[list[EncodedRow]]:
    """Yield the examples of an epoch in shuffled batches of `size`; the last may be smaller."""
    order = list(examples)
    random.Random(f"{seed}/{epoch}").shuffle(order)  # noqa: S311 - an order to learn in, no secret
    for start in range(0, len(order), size):
        yield order[start : start + size]


def micro_batches(
    examples: Sequence[EncodedRow], size: int | Literal["auto"], device: torch.device
) -> Iterator[list[EncodedRow]]:
    """Cut a batch into forward passes of similar lengths, longest first so that memory runs out at once or never."""
    ordered = sorted(examples, key=lambda e: (-len(e.input_ids), e.id))
    budget = TOKENS_PER_PASS.get(device.type, TOKENS_PER_PASS["cuda"])
    while ordered:
        fits = max(1, budget // len(ordered[0].input_ids)) if size == "auto" else size
        yield ordered[:fits]
        ordered = ordered[fits:]


def collate(examples: Sequence[EncodedRow], device: torch.device) -> Batch:
    """Pad on the right. Causal attention never looks at padding from a real token, so no mask is needed."""
    width = max(len(e.input_ids) for e in examples)
    ids = [e.input_ids + [0] * (width - len(e.input_ids)) for e in examples]
    labels = [e.labels + [MASKED] * (width - len(e.labels)) for e in examples]
    tokens = sum(len(e.input_ids) for e in examples)
    return Batch(torch.tensor(ids, device=device), torch.tensor(labels, device=device), tokens)


def count_labels(examples: Sequence[EncodedRow]) -> int:
    """Return how many tokens a batch learns; the first token of a row is never predicted."""
    return sum(label != MASKED for e in examples for label in e.labels[1:])
