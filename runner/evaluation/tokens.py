"""Text -> words, for metrics that compare words: in any script, equal for equal text however it is encoded.

Words are runs of letters, marks and digits after case and compatibility forms are folded. Scripts without spaces
between words (Han, kana, Thai, Lao, Khmer, Burmese) give one word for each character with its marks. For ASCII these
are the words of rouge-score 0.1.2, which finds none in other scripts.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from runner.data.rows import normalise

_ASCII_WORD = re.compile(r"[a-z0-9]+")

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_ONE = rf"[[{_UNSPACED}]&&[\p{{L}}\p{{N}}]]\p{{M}}*"


@lru_cache(8)  # several metrics look at the same reference and answer, one right after the other
def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    if text.isascii():
        return tuple(_ASCII_WORD.findall(text.lower()))
    return tuple(_compiled(rf"{_ONE}|[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]+").findall(normalise(text)))


def apart(text: str) -> str:
    """Return a text with spaces around each character that is a word of its own."""
    return str(_compiled(_ONE).sub(r" \g<0> ", text))


@lru_cache(2)
def _compiled(pattern: str) -> Any:
    import regex

    return regex.compile(f"(?V1){pattern}")
