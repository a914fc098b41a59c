"""Metrics of two texts: (reference, answer) -> a number between 0 and 1 for each row; their mean is the value.

`exact_match`: when the reference is a JSON object or array, the answer must be the same JSON value (key order, white
space and `1` against `1.0` do not matter; prose or a code fence around it does); any other reference is compared as
text without surrounding white space.
`exact_match_normalised`: the same after case, compatibility forms and white space are folded (Unicode NFKC and
default caseless matching, as `data.rows.normalise`).
`token_f1`: F1 of shared words without case, punctuation and the articles a, an, the (Rajpurkar et al. 2016, SQuAD,
arXiv:1606.05250; its evaluation script, and beyond ASCII the Unicode categories it means). Without any word on one
side, 1 when both have none, else 0 (SQuAD 2.0).
`similarity`: rapidfuzz's `fuzz.ratio` / 100, 1 - Indel distance / (both lengths), that is
2 * longest common subsequence / (both lengths).
`difflib_ratio`: `difflib.SequenceMatcher(None, reference, answer).ratio()` of Python's standard library (Ratcliff and
Obershelp 1988): 2 * matching blocks / (both lengths). Quadratic, so dear with long answers.
"""

from __future__ import annotations

import re
import string
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

from runner.data.rows import normalise
from runner.evaluation.answers import same_answer
from runner.evaluation.rouge import f_measure, shared_words
from runner.evaluation.tokens import apart

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def exact_match(reference: str, answer: str) -> float:
    """Return 1 when the answer is the reference."""
    return float(same_answer(reference, answer))


def exact_match_normalised(reference: str, answer: str) -> float:
    """Return 1 when the answer is the reference but for case, width and white space."""
    return float(reference == answer or same_answer(normalise(reference), normalise(answer)))


def token_f1(reference: str, answer: str) -> float:
    """Return the F1 of shared words."""
    wanted, found = _squad_words(reference), _squad_words(answer)
    if not wanted or not found:
        return float(wanted == found)
    return f_measure(shared_words(wanted, found), len(wanted), len(found))


def similarity(reference: str, answer: str) -> float:
    """Return the Indel ratio."""
    from rapidfuzz.fuzz import ratio

    return ratio(reference, answer) / 100


def difflib_ratio(reference: str, answer: str) -> float:
    """Return what Python's difflib says."""
    return 1.0 if reference == answer else SequenceMatcher(None, reference, answer).ratio()


@lru_cache(8)
def _squad_words(text: str) -> tuple[str, ...]:
    if text.isascii():
        plain = text.lower().translate(_NO_PUNCTUATION)
        return tuple(_ARTICLES.sub(" ", plain).split())
    plain = _punctuation().sub("", normalise(text))
    return tuple(apart(_ARTICLES.sub(" ", plain)).split())


@lru_cache(1)
def _punctuation() -> Any:
    import regex

    return regex.compile(r"[\p{P}\p{S}]")
