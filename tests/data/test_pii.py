"""Personal data: what is found, what is left alone, and that nothing of it is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.data.pii import find_pii, mask

FOUND = {
    "write to Anna.Real+shop@mail.co.uk please": "email",
    "card 4111 1111 1111 1111": "payment_card",
    "card 5500-0000-0000-0004.": "payment_card",
    "378282246310005": "payment_card",
    "call +351 912 345 678": "phone",
    "call +49 (0) 30 1234567": "phone",
    "(415) 867-5309": "phone",
    "415-867-5309": "phone",
}


@pytest.mark.parametrize(("text", "kind"), FOUND.items())
def test_personal_data_is_found_and_masked(text, kind):
    (hit,) = find_pii(text)
    assert hit.kind == kind
    assert text[hit.start : hit.end] not in mask(text)
    assert [*find_pii(mask(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        "order 40417 of 12.09.2026, 3 items, 64 euro",
        "card 4111 1111 1111 1112",  # wrong check digit
        "tracking 1Z999AA10123456784",
        "tracking 00340434161094042557",  # 20 digits
        "at 08:51:06 on 2026-11-22",
        "anna@example.com or b@shop.example",
        "call 415-555-0123",
        "@anna says hi, a @ b",
        "version 1.2.3.4, +1 for this",
        "serial 123456-7890123",
    ],
)
def test_other_numbers_are_left_alone(text):
    assert [*find_pii(text)] == []


def test_keys_and_tokens_are_masked():
    assert mask("key sk-proj-abc123DEF456ghi789JKL0 end") == "key sk-*** end"


@given(st.text(alphabet="0123456789 +-()@.ab"))
def test_any_text_can_be_masked(text):
    shown = mask(text)
    for hit in find_pii(text):
        assert text[hit.start : hit.end] not in shown
