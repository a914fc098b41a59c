"""Prompts as token ids -> the beginning each shares with others, which an engine then reads once.

What is shared depends on the whole test set and on nothing else, not on order or on how many work at it: an answer's
last bits depend on where reading was cut in two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

WORTH_SHARING = 16
"""Tokens; taking a shorter beginning out of memory costs as much as reading it."""


def shared_beginnings(prompts: Mapping[str, Sequence[int]], groups: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """Return the tokens that all prompts of a group begin with, by prompt id; without those that share too little.

    Args:
        prompts: Token ids of every prompt, by its id.
        groups: What certainly differs between prompts, such as their system prompts; those of a group are looked at.
    """
    members: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for prompt, tokens in prompts.items():
        members.setdefault((groups[prompt], tuple(tokens[:WORTH_SHARING])), []).append(prompt)
    shared: dict[str, tuple[int, ...]] = {}
    for group in members.values():
        beginning = _beginning([tuple(prompts[prompt]) for prompt in group])
        if len(group) > 1 and len(beginning) >= WORTH_SHARING:
            shared |= dict.fromkeys(group, beginning)
    return shared


def _beginning(prompts: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """Return what all begin with; at least one token of each is left, because the answer follows from reading it."""
    longest = min(len(prompt) for prompt in prompts) - 1
    # What the first and the last in order begin with, all between them do.
    pairs = zip(min(prompts), max(prompts), strict=False)
    differs = next((at for at, (one, other) in enumerate(pairs) if one != other), longest)
    return prompts[0][: min(differs, longest)]
