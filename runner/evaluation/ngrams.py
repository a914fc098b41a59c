"""Pairs of sequences -> how many n-grams they share, by order, each as often as both have it; many pairs at once.

An n-gram is packed into one number with that of its pair, so that sorting numbers takes the place of counting tuples.
The count is exact: what does not fit is split until it does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.uint64]
    Whole = npt.NDArray[np.int64]

Pair = tuple[Sequence[int], Sequence[int]]
"""Two sequences of numbers, 0 or more."""

_PAIRS = 1024
"""Pairs looked at together: more of them leave less room for n-grams, and take more memory."""

_BITS = 64


def shared_ngrams(pairs: Sequence[Pair], orders: int) -> list[list[int]]:
    """Return for each pair the number of shared n-grams of every order from 1 on."""
    found: list[list[int]] = []
    for start in range(0, len(pairs), _PAIRS):
        found += _shared(pairs[start : start + _PAIRS], orders)
    return found


def _shared(pairs: Sequence[Pair], orders: int) -> list[list[int]]:
    import numpy as np

    ours, theirs = (_joined([pair[side] for pair in pairs]) for side in (0, 1))
    units, numbers = np.unique(np.concatenate([ours, theirs]), return_inverse=True)
    width = len(units).bit_length()
    if orders * width + len(pairs).bit_length() > _BITS:
        if len(pairs) == 1:
            return [_counted(*pairs[0], orders)]
        half = len(pairs) // 2
        return _shared(pairs[:half], orders) + _shared(pairs[half:], orders)
    sides = [
        _packed(part.astype(np.uint64), np.array([len(pair[side]) for pair in pairs]), orders, width)
        for side, part in enumerate((numbers[: len(ours)], numbers[len(ours) :]))
    ]
    by_order = [
        _in_both(a, b, width * order, len(pairs)) for order, (a, b) in enumerate(zip(*sides, strict=True), start=1)
    ]
    return [[int(count) for count in counts] for counts in zip(*by_order, strict=True)]


def _joined(sequences: Sequence[Sequence[int]]) -> Whole:
    import numpy as np

    return np.concatenate([np.asarray(sequence, dtype=np.int64) for sequence in sequences])


def _packed(numbers: Array, lengths: Whole, orders: int, width: int) -> list[Array]:
    """Return the n-grams of each order, with the number of their pair before them."""
    import numpy as np

    # How many numbers of its sequence follow from each place on: an n-gram needs n.
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(numbers))
    places = np.arange(len(numbers))
    grams = np.repeat(np.arange(len(lengths), dtype=np.uint64), lengths)
    found = []
    for order in range(orders):
        keep = left[places] > order
        places, grams = places[keep], grams[keep]
        grams = (grams << np.uint64(width)) | numbers[places + order]
        found.append(grams)
    return found


def _in_both(ours: Array, theirs: Array, width: int, pairs: int) -> Any:
    """Count what both have, for each pair."""
    import numpy as np

    if not len(ours) or not len(theirs):
        return np.zeros(pairs)
    (grams, counts), (others, times) = (np.unique(side, return_counts=True) for side in (ours, theirs))
    places = np.minimum(np.searchsorted(grams, others), len(grams) - 1)
    hit = grams[places] == others
    owners = (others[hit] >> np.uint64(width)).astype(np.int64)
    return np.bincount(owners, weights=np.minimum(counts[places[hit]], times[hit]), minlength=pairs)


def _counted(ours: Sequence[int], theirs: Sequence[int], orders: int) -> list[int]:
    counts = []
    for order in range(1, orders + 1):
        one, other = (Counter(zip(*(side[at:] for at in range(order)), strict=False)) for side in (ours, theirs))
        counts.append(sum((one & other).values()))
    return counts
