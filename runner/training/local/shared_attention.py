"""Attention over a packed prefix tree, for any model that lets its attention be replaced.

All other layers work token by token and need not know. Attention runs once for each set of segments with the same
parent: their queries, padded to the longest, look at what they all see and at themselves. So the work grows with the
tokens, not with the square of the packed length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from runner.training.local.prefix_tree import Packed

NAME = "gitune_prefix_tree"

MaskRule = Callable[..., torch.Tensor]
"""transformers' rule `(batch, head, query position, key position) -> may it look`: causal, sliding or chunked."""


@dataclass(frozen=True, slots=True)
class Family:
    """Segments with the same parent, as indices into the packed sequence."""

    context: torch.Tensor
    """(P,): what all of them see."""
    members: torch.Tensor
    """(B, L): each one's own tokens, padded with its first."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the tokens of a packed sequence stand."""

    families: list[Family]
    order: torch.Tensor
    """(N,): for each packed token its place in the families' members, laid end to end."""

    def masked(self, rule: MaskRule) -> Mask:
        """Return the layout with, for every family, which keys each of its queries may look at."""
        return Mask(self, [_visible(family, rule) for family in self.families])


@dataclass(frozen=True, slots=True)
class Mask:
    """What a model hands its layers in place of a mask tensor."""

    layout: Layout
    visible: list[torch.Tensor]
    """For each family (L, P + L), True where a query may look at a key."""


def layout_of(packed: Packed, device: torch.device) -> Layout:
    """Put a packed sequence's indices on a device."""
    families, order, at = [], [0] * len(packed.input_ids), 0
    for context, members in packed.families:
        length = max(map(len, members))
        for number, own in enumerate(members):
            for place, index in enumerate(own):
                order[index] = at + number * length + place
        at += len(members) * length
        padded = [own + own[:1] * (length - len(own)) for own in members]
        families.append(Family(_index(context, device), _index(padded, device)))
    return Layout(families, _index(order, device))


@contextmanager
def shared_attention(network: Any) -> Iterator[Callable[[Layout], None]]:
    """Replace the attention of `network`; yields the function that says which layout the next forward pass has.

    The original comes back at the end. Whether the model computes the same with it is for the caller to find out.
    """
    from transformers import AttentionInterface, AttentionMaskInterface

    current: list[Layout] = []

    def choose(layout: Layout) -> None:
        current[:] = [layout]

    def mask(*, mask_function: MaskRule, **_: Any) -> Mask:
        return current[0].masked(mask_function)

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, mask)
    original = network.config._attn_implementation  # noqa: SLF001 - there is no public way to read it
    network.set_attn_implementation(NAME)
    try:
        yield choose
    finally:
        network.set_attn_implementation(original)


def attend(
    module: Any,  # noqa: ARG001 - transformers passes it
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Mask,
    *,
    dropout: float = 0.0,
    scaling: float | None = None,
    softcap: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Compute attention as transformers' attention functions do.

    Args:
        module: The attention layer.
        query: (1, heads, N, head size); keys and values may have fewer heads (grouped queries).
        key: (1, key heads, N, head size).
        value: (1, key heads, N, value head size).
        attention_mask: What the mask function of `shared_attention` returned.
        dropout: Probability of dropping an attention weight.
        scaling: Factor of the scores; 1 / sqrt(head size) by default.
        softcap: Scores are softly limited to this size (Gemma 2).

    Returns:
        (1, N, heads, value head size), and no attention weights.
    """
    groups = query.shape[1] // key.shape[1]
    tokens = [states[0].transpose(0, 1) for states in (query, key, value)]
    outputs = []
    for family, visible in zip(attention_mask.layout.families, attention_mask.visible, strict=True):
        count, length = family.members.shape
        own = [
            states.index_select(0, family.members.flatten()).view(count, length, *states.shape[1:]).transpose(1, 2)
            for states in tokens
        ]
        q, k, v = own[0], *(_with_context(s, o, family.context) for s, o in zip(tokens[1:], own[1:], strict=True))
        k, v = (states.repeat_interleave(groups, dim=1) if groups > 1 else states for states in (k, v))
        attended = _attention(q, k, v, visible, dropout, scaling, softcap)
        outputs.append(attended.transpose(1, 2).flatten(0, 1))
    return torch.cat(outputs).index_select(0, attention_mask.layout.order).unsqueeze(0), None


def _with_context(states: torch.Tensor, own: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
    """Put the keys or values of the context, (P, heads, size), before each segment's own, (B, heads, L, size)."""
    if not len(context):
        return own
    shared = states.index_select(0, context).transpose(0, 1)
    return torch.cat([shared.expand(own.shape[0], -1, -1, -1), own], dim=2)


def _attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    visible: torch.Tensor,
    dropout: float,
    scaling: float | None,
    softcap: float | None,
) -> torch.Tensor:
    if softcap is None:
        return torch.nn.functional.scaled_dot_product_attention(
            query, key, value, attn_mask=visible, dropout_p=dropout, scale=scaling
        )
    scores = query @ key.transpose(-1, -2) * (scaling or query.shape[-1] ** -0.5)
    scores = softcap * torch.tanh(scores / softcap)
    weights = scores.masked_fill(~visible, float("-inf")).softmax(-1, dtype=torch.float32).to(query.dtype)
    return torch.nn.functional.dropout(weights, dropout) @ value


def _visible(family: Family, rule: MaskRule) -> torch.Tensor:
    before, length = len(family.context), family.members.shape[1]
    keys = torch.arange(before + length, device=family.members.device)
    queries = keys[before:, None]
    visible: torch.Tensor = rule(0, 0, queries, keys[None, :])
    # A rule of another kind than by position, such as one that looks at token types, would give another shape.
    return visible.expand(length, before + length)


def _index(values: list[int] | list[list[int]], device: torch.device) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.long, device=device)
