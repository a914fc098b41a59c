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

_SIGNS = r"!-&(-+:-@/\[-`{-~"
_WORDS_13A = re.compile(rf"[{_SIGNS}]|[^\s{_SIGNS}]+")
_INNER = re.compile(r"[.,-]")

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


def words_13a(text: str) -> list[str]:
    """Return the words that BLEU counts: sacrebleu's tokenizer 13a, word by word.

    It looks at no more than the neighbours of a full stop, a comma or a dash, and never beyond a space or a sign that
    is a word of its own. So only words with one of the three are left to it.
    """
    text = text.rstrip().replace("<skipped>", "").replace("-\n", "")
    if "&" in text:
        for entity, sign in (("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">")):
            text = text.replace(entity, sign)
    words: list[str] = _WORDS_13A.findall(text)
    if not any(sign in text for sign in ".,-"):
        return words
    return [part for word in words for part in (_parts_13a(word) if _INNER.search(word) else (word,))]


@lru_cache(2**16)
def _parts_13a(word: str) -> tuple[str, ...]:
    return tuple(_tokenizer_13a()(f" {word} ").split())


@lru_cache(1)
def _tokenizer_13a() -> Any:
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

    return TokenizerRegexp()


@lru_cache(2)
def _compiled(pattern: str) -> Any:
    import regex

    return regex.compile(f"(?V1){pattern}")
