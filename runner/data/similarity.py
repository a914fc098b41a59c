"""Two lists of texts -> for each of the first the most similar of the second, by words and by letters.

    closest(["where is my parcel"], ["where is my order", "close my account"])

By words: cosine of TF-IDF vectors of words and pairs of words, as scikit-learn weighs them (smoothed idf, L2 norm).
By letters: rapidfuzz's Indel ratio. Letters see what words do not, such as a typing error in every word, but comparing
all long texts with each other by letters takes minutes. So texts of up to `SHORT` characters are compared with all
others, longer ones with those that share most words.

scikit-learn does the same by words, but its import alone takes more CPU time than all of this for 10,000 x 500 texts.
Terms are counted in `2**BITS` buckets and rows come in blocks, so memory does not grow with the vocabulary or with the
product of the two lists.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]

SHORT = 64
"""Characters that one machine word holds a bit for: beyond it rapidfuzz takes ten times as long."""

LONG = 4000
"""Characters that are compared of long texts, by letters."""

CANDIDATES = 8
"""Texts that share most words and are looked at by letters too."""

LEAST_RATIO = 0.85
"""Texts less similar by letters are not looked for."""

BITS = 20
ROWS_AT_ONCE = 2048
CELLS_AT_ONCE = 8_000_000

# Chinese and Japanese write no spaces: each character is a word there.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


class Similar(NamedTuple):
    """One of the second list, and how similar it is."""

    place: int
    """Its place in the list."""
    words: float
    """Cosine of the TF-IDF vectors, 0 to 1; 0 where others share more words."""
    letters: float
    """Indel ratio, 0 to 1."""


def closest(texts: Sequence[str], among: Sequence[str]) -> list[list[Similar]]:
    """Return candidates for the most similar texts, in order of their places; ties go to the first places.

    Args:
        texts: short or long, normalised.
        among: what they are compared with.
    """
    from rapidfuzz import fuzz

    by_letters = _by_letters(texts, among)
    found = []
    for number, shared in enumerate(_by_words(texts, among)):
        candidates = shared | dict.fromkeys(by_letters.get(number, {}).keys() - shared.keys(), 0.0)
        text = texts[number][:LONG]
        found.append(
            [Similar(at, candidates[at], fuzz.ratio(text, among[at][:LONG]) / 100) for at in sorted(candidates)]
        )
    return found


def _by_letters(texts: Sequence[str], among: Sequence[str]) -> dict[int, dict[int, float]]:
    """Compare short texts with all whose length lets them be similar."""
    import numpy as np
    from rapidfuzz import fuzz, process

    order = sorted(range(len(among)), key=lambda place: len(among[place]))
    lengths = [len(among[place]) for place in order]
    short = sorted((len(text), number) for number, text in enumerate(texts) if len(text) <= SHORT)
    found: dict[int, dict[int, float]] = {}
    for length, group in groupby(short, key=lambda item: item[0]):
        # A ratio of r needs at least r / (2 - r) of the longer text's length.
        share = LEAST_RATIO / (2 - LEAST_RATIO)
        window = order[bisect_left(lengths, length * share) : bisect_right(lengths, length / share)]
        numbers = [number for _, number in group]
        step = max(1, CELLS_AT_ONCE // max(1, len(window)))
        for start in range(0, len(numbers), step):
            asked = numbers[start : start + step]
            ratios = process.cdist(
                [texts[number] for number in asked],
                [among[place] for place in window],
                scorer=fuzz.ratio,
                score_cutoff=100 * LEAST_RATIO,
                dtype=np.float32,
            )
            for number, row in zip(asked, ratios, strict=True):
                hits = [(-float(row[at]), window[at]) for at in np.flatnonzero(row)]
                found[number] = {place: -ratio for ratio, place in sorted(hits)[:CANDIDATES]}
    return found


def _by_words(texts: Sequence[str], among: Sequence[str]) -> Iterator[dict[int, float]]:
    """Yield the places of the texts that share most words, and the cosines."""
    import numpy as np

    ids: dict[str, int] = {}
    asked, known = _Words(texts, ids), _Words(among, ids)
    terms = np.zeros(1 << BITS)
    for words in (asked, known):
        for _, block in words.blocks():
            terms += np.bincount(block.indices, minlength=1 << BITS)
    weights = np.log((1 + len(texts) + len(among)) / (1 + terms)) + 1
    for _, queries in asked.blocks():
        across = _weighted(queries, weights).T.tocsr()
        best = np.zeros((0, queries.shape[0]))
        places = np.zeros((0, queries.shape[0]), dtype=np.int64)
        for start, block in known.blocks():
            cosines = (_weighted(block, weights) @ across).toarray()
            here = np.broadcast_to(np.arange(start, start + len(cosines))[:, None], cosines.shape)
            best, places = _keep_best(np.concatenate([best, cosines]), np.concatenate([places, here]))
        for row, at in zip(best.T, places.T, strict=True):
            yield {int(place): min(1.0, float(cosine)) for place, cosine in zip(at, row, strict=True) if cosine > 0}


def _keep_best(cosines: Floats, places: Ints) -> tuple[Floats, Ints]:
    import numpy as np

    if len(cosines) <= CANDIDATES:
        return cosines, places
    # Of equal ones the first counts, on every machine: which of them a partial sort keeps is not defined.
    order = np.argpartition(places * 1e-9 - cosines, CANDIDATES - 1, axis=0)[:CANDIDATES]
    return np.take_along_axis(cosines, order, 0), np.take_along_axis(places, order, 0)


def _weighted(counts: Any, weights: Floats) -> Any:
    """Return counts of terms times their weights, each row of length 1."""
    import numpy as np
    from scipy import sparse

    values = counts.data * weights[counts.indices]
    rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    norms = np.sqrt(np.bincount(rows, values**2, minlength=counts.shape[0]))
    return sparse.csr_array((values / norms[rows], counts.indices, counts.indptr), shape=counts.shape)


class _Words:
    """The words of many texts as numbers, and their terms counted block by block."""

    def __init__(self, texts: Sequence[str], ids: dict[str, int]) -> None:
        import numpy as np

        read = [[ids.setdefault(word, len(ids)) for word in _WORD.findall(text)] for text in texts]
        self._starts = np.cumsum([0, *map(len, read)])
        self._words = np.array([word for words in read for word in words], dtype=np.uint64)

    def blocks(self) -> Iterator[tuple[int, Any]]:
        """Yield the place of each block's first text, and how often each bucket's term occurs in each text."""
        texts = len(self._starts) - 1
        for start in range(0, texts, ROWS_AT_ONCE):
            yield start, self._count(start, min(texts, start + ROWS_AT_ONCE))

    def _count(self, start: int, end: int) -> Any:
        import numpy as np
        from scipy import sparse

        starts = self._starts[start : end + 1]
        words = self._words[starts[0] : starts[-1]]
        rows = np.repeat(np.arange(end - start), np.diff(starts))
        pairs = rows[:-1] == rows[1:]
        first = (words + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        both = (first[:-1] + words[1:] * np.uint64(0xC2B2AE3D27D4EB4F) + np.uint64(1)) * np.uint64(0xD6E8FEB86659FD93)
        shift = np.uint64(64 - BITS)
        columns = np.concatenate([first >> shift, both[pairs] >> shift]).astype(np.int64)
        rows = np.concatenate([rows, rows[:-1][pairs]])
        counts = sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape=(end - start, 1 << BITS)).tocsr()
        counts.sum_duplicates()
        return counts
