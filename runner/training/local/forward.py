"""Rows -> the hidden states that predict their answers: packed, each shared beginning computed once, or padded.

Packed needs a model whose attention can be replaced and whose other layers work token by token. Most transformers
models are such; whether this one is, is found out by computing a small batch both ways.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple, Protocol

import torch

from runner.models.chat import MASKED, EncodedRow
from runner.training.local.batches import PassLimit, cut
from runner.training.local.memory import out_of_memory
from runner.training.local.prefix_tree import WORTH_SHARING, common_length, pack
from runner.training.local.shared_attention import layout_of, shared_attention


class Predicted(NamedTuple):
    """What a pass says about M tokens to predict."""

    states: torch.Tensor
    """(M, hidden size) hidden states; or (M, vocabulary) logits of a model whose output layer is not a plain one."""
    targets: torch.Tensor
    """(M,) token ids."""
    weights: torch.Tensor
    """(M,) how much each counts: its weight, summed over the examples that share it, for it is predicted once."""
    computed: int
    """Tokens that went through the model, padding included."""


class Forward(Protocol):
    """A way to run rows through a model."""

    shares_prefixes: bool
    """Whether shared beginnings are computed once."""
    plain_head: bool
    """Whether `Predicted.states` are hidden states and not logits."""

    def passes(self, rows: Sequence[EncodedRow], limit: PassLimit) -> Iterator[list[EncodedRow]]:
        """Cut rows into forward passes."""

    def __call__(self, rows: Sequence[EncodedRow]) -> Predicted:
        """Run one pass."""


class Padded:
    """One row of a rectangle for each example."""

    shares_prefixes = False

    def __init__(self, network: Any) -> None:
        self.network = network
        self.device: torch.device = network.device
        self.plain_head = _has_plain_head(network, self.device)

    def passes(self, rows: Sequence[EncodedRow], limit: PassLimit) -> Iterator[list[EncodedRow]]:
        """Cut by length, longest first, so that memory runs out at once or never."""
        ordered = sorted(rows, key=lambda e: (-len(e.input_ids), e.id))
        start = 0
        while start < len(ordered):
            fits = max(1, limit.tokens // len(ordered[start].input_ids))
            stop = start + min(fits, limit.rows or fits)
            yield ordered[start:stop]
            start = stop

    def __call__(self, rows: Sequence[EncodedRow]) -> Predicted:
        """Pad on the right: causal attention never looks at padding from a real token, so no mask is needed."""
        width = max(len(row.input_ids) for row in rows)
        ids = self._tensor([row.input_ids + [0] * (width - len(row.input_ids)) for row in rows])
        labels = self._tensor([row.labels + [MASKED] * (width - len(row.labels)) for row in rows])[:, 1:]
        learned = labels != MASKED
        states = _states(self.network, self.plain_head, input_ids=ids)[:, :-1][learned]
        weights = self._tensor([_weights(row, width) for row in rows], torch.float32)[:, 1:][learned]
        return Predicted(states, labels[learned], weights, ids.numel())

    def _tensor(self, values: list[list[Any]], dtype: torch.dtype = torch.long) -> torch.Tensor:
        return torch.tensor(values, dtype=dtype, device=self.device)


class Packed:
    """One sequence for all examples, a tree of what they share."""

    shares_prefixes = True

    def __init__(self, network: Any, choose: Any, *, plain_head: bool) -> None:
        self.network = network
        self.device: torch.device = network.device
        self.choose = choose
        self.plain_head = plain_head

    def passes(self, rows: Sequence[EncodedRow], limit: PassLimit) -> Iterator[list[EncodedRow]]:
        """Cut in the order of the tokens, so that what shares a beginning shares a pass."""
        ordered = sorted(rows, key=lambda e: (e.input_ids, e.id))
        added = [_added(ordered, i) for i in range(len(ordered))]
        # Each row holds the keys and values of what it shares, about a tenth of what a computed token holds.
        shared = max((len(row.input_ids) - new for row, new in zip(ordered, added, strict=True)), default=0)
        return cut(ordered, added, limit.at_most(10 * limit.tokens // max(shared, 1)))

    def __call__(self, rows: Sequence[EncodedRow]) -> Predicted:
        """Compute every shared beginning once."""
        packed = pack(rows)
        self.choose(layout_of(packed, self.device))
        ids, positions = (torch.tensor([v], device=self.device) for v in (packed.input_ids, packed.positions))
        # A mask of ones says that restarting positions are no packed rows of transformers' own kind.
        states = _states(
            self.network,
            self.plain_head,
            input_ids=ids,
            position_ids=positions,
            attention_mask=torch.ones_like(ids),
        )[0]
        sources = torch.tensor([target.source for target in packed.targets], device=self.device)
        tokens = torch.tensor([target.token for target in packed.targets], device=self.device)
        weights = torch.tensor(list(packed.targets.values()), device=self.device)
        return Predicted(states.index_select(0, sources), tokens, weights, ids.numel())


@contextmanager
def open_forward(network: Any) -> Iterator[Forward]:
    """Yield the fastest way that computes what `network`, a causal LM, does for padded rows; restores its attention."""
    padded = Padded(network)
    with ExitStack() as stack:
        try:
            expected = _probe(padded)
            choose = stack.enter_context(shared_attention(network))
            packed = Packed(network, choose, plain_head=padded.plain_head)
            same = _agree(_probe(packed), expected)
        # A model of foreign make may raise anything when its attention is replaced; padded it can still be trained.
        except (RuntimeError, TypeError, ValueError, AttributeError, LookupError, AssertionError) as error:
            if out_of_memory(error):
                raise
            same = False
        if same:
            yield packed
            return
    yield padded


def _probe(forward: Padded | Packed) -> Predicted:
    """Run two rows that share their beginning and differ in their answers."""
    vocabulary = forward.network.get_input_embeddings().num_embeddings
    length = 2 * WORTH_SHARING
    start, *ends = [[(i * i + 3 * i + shift) % vocabulary for i in range(length)] for shift in range(3)]
    rows = [EncodedRow(str(n), start + end, [MASKED] * length + end) for n, end in enumerate(ends)]
    with torch.no_grad(), _evaluating(forward.network):
        return forward(rows)


def _agree(shared: Predicted, apart: Predicted) -> bool:
    """Return whether both predict the same, up to the rounding of the model's number format."""
    exact = torch.equal(shared.targets, apart.targets) and shared.computed < apart.computed
    tolerance = 1e-3 if shared.states.dtype == torch.float32 else 3e-2
    # Means, because trained models have a few components that are a hundred times as large as the others.
    gap = (shared.states - apart.states).float().abs().mean()
    return exact and bool(gap <= tolerance * apart.states.float().abs().median())


def _weights(row: EncodedRow, width: int) -> list[float]:
    own = row.weights or [1.0] * len(row.input_ids)
    return own + [0.0] * (width - len(own))


@contextmanager
def _evaluating(network: Any) -> Iterator[None]:
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def _added(ordered: Sequence[EncodedRow], index: int) -> int:
    """Return how many tokens a row adds to a pass that holds its predecessor."""
    row = ordered[index].input_ids
    shared = common_length(ordered[index - 1].input_ids, row) if index else 0
    return len(row) - (shared if shared >= WORTH_SHARING else 0)


def _states(network: Any, plain_head: bool, **inputs: torch.Tensor) -> torch.Tensor:  # noqa: FBT001
    """Return (rows, tokens, hidden size), or logits where the output layer is not a plain one."""
    if plain_head:
        hidden: torch.Tensor = network.base_model(**inputs, use_cache=False).last_hidden_state
        return hidden
    logits: torch.Tensor = network(**inputs, use_cache=False).logits
    return logits


def _has_plain_head(network: Any, device: torch.device) -> bool:
    """Return whether logits are the output layer on the last hidden state, no more: some families scale or cap them."""
    head = network.get_output_embeddings()
    if head is None or network.base_model is network:
        return False
    ids = torch.arange(8, device=device)[None] % head.weight.shape[0]
    with torch.no_grad(), _evaluating(network):
        logits = _states(network, plain_head=False, input_ids=ids)
        return torch.allclose(head(_states(network, plain_head=True, input_ids=ids)), logits, rtol=1e-3, atol=1e-3)
