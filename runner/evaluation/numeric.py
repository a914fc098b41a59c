"""Numbers in answers: text -> its number, and whether two are the same.

`numeric_match`: 1 when the last number of the answer equals the last number of the reference, else 0 (the reading of
GSM8K, Cobbe et al. 2021, arXiv:2110.14168). Numbers are compared as decimals, exactly: 0.30 is 0.3. A number is
written with digits of any script, commas between thousands (`1,234.50`), a decimal point and an exponent; a sign
counts unless a word or number stands right before it, so that `10-4` ends in 4. What metrics of a spec's own tolerate
is a difference, or a share of the reference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Context, Decimal, InvalidOperation, Overflow
from typing import Literal

from runner.errors import GituneError

Place = Literal["last", "whole"]

_NUMBER = re.compile(
    r"(?:(?<![\w)])[-+][$€£¥]?)?"  # a sign, perhaps before a currency
    r"(?:\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|(?<!\d)\.\d+)"
    r"(?:[eE][-+]?\d{1,6})?"
)
_ASCII = str.maketrans("\N{MINUS SIGN}\N{FULLWIDTH FULL STOP}\N{FULLWIDTH COMMA}", "-.,")
_ORNAMENT = str.maketrans("", "", ",$€£¥")
_EXACT = Context(prec=50, traps=[InvalidOperation, Overflow])


def number_in(text: str, place: Place = "last") -> Decimal | None:
    """Return the last number of a text, or the number that the whole text is; None where there is none."""
    plain = text.translate(_ASCII).strip()
    found = _NUMBER.findall(plain) if place == "last" else [plain] if _NUMBER.fullmatch(plain) else []
    return Decimal(found[-1].translate(_ORNAMENT)) if found else None


def same_number(
    reference: str, answer: str, place: Place = "last", tolerance: float = 0.0, *, relative: bool = False
) -> float:
    """Return 1 when the answer's number is the reference's, or near enough.

    Args:
        reference: a text with a number.
        answer: any text.
        place: which number of each text.
        tolerance: greatest difference.
        relative: whether the tolerance is a share of the reference.
    """
    wanted, found = number_in(reference, place), number_in(answer, place)
    if wanted is None or found is None:
        return 0.0
    if wanted == found:
        return 1.0
    try:
        allowed = Decimal(repr(tolerance))
        if relative:
            allowed = _EXACT.multiply(allowed, _EXACT.abs(wanted))
        return float(_EXACT.abs(_EXACT.subtract(found, wanted)) <= allowed)
    except (InvalidOperation, Overflow):  # beyond what decimals hold, so far apart
        return 0.0


def require_numbers(metric: str, references: Sequence[str], place: Place = "last") -> None:
    """Refuse references without a number.

    Raises:
        GituneError: naming the first.
    """
    bare = [reference for reference in references if number_in(reference, place) is None]
    if bare:
        what = "hold no number" if place == "last" else "are no number"
        raise GituneError(
            f"{metric} compares numbers, but {len(bare)} of {len(references)} references {what} "
            f"(such as {bare[0][:60]!r})",
            hint="take the metric out, or write the answers of these rows with a number",
        )
