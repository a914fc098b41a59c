"""Which number an answer gives, and whether it is the reference's."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import GituneError
from runner.evaluation.numeric import number_in, require_numbers, same_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", "42"),
        ("The answer is 42.", "42"),
        ("10 apples, then 5", "5"),
        ("$1,234.50", "1234.50"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("x = -3", "-3"),
        ("\N{MINUS SIGN}3", "-3"),
        ("10-4", "4"),
        ("(2)-1", "1"),
        (".5", "0.5"),
        ("3.", "3"),
        ("1e3", "1000"),
        ("2.5E-3 m", "0.0025"),
        ("1,2345", "2345"),
        ("1,234,567", "1234567"),
        ("٤٢", "42"),
        ("\uff14\uff12\uff0e\uff15", "42.5"),
        ("5 m²", "5"),
        ("version 1.2.3", "3"),
        ("none", None),
        ("", None),
        ("-", None),
    ],
)
def test_the_last_number(text, number):
    found = number_in(text)
    assert found == (None if number is None else Decimal(number))


@pytest.mark.parametrize(("text", "number"), [(" 42\n", "42"), ("42 apples", None), ("+1,000", "1000"), ("", None)])
def test_the_whole_text(text, number):
    assert number_in(text, "whole") == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("reference", "answer", "tolerance", "relative", "same"),
    [
        ("0.3", "it is 0.30", 0, False, 1),
        ("0.3", "0.30000000001", 0, False, 0),
        ("100", "101", 1, False, 1),
        ("100", "101.01", 1, False, 0),
        ("-200", "-198", 0.01, True, 1),
        ("-200", "-197", 0.01, True, 0),
        ("0", "0.001", 0.5, True, 0),
        ("1e999999", "1", 1, False, 0),
        ("1e999999", "2e999999", 5, True, 1),
        ("1", "nothing", 10, False, 0),
    ],
)
def test_what_is_tolerated(reference, answer, tolerance, relative, same):
    assert same_number(reference, answer, tolerance=tolerance, relative=relative) == same


@given(st.decimals(allow_nan=False, allow_infinity=False, places=3), st.text("abc .,-+e$1", max_size=10))
def test_no_text_is_too_strange(number, noise):
    number_in(noise)
    assert same_number(f"{number:f}", f"so: {number:f}") == 1


def test_references_without_a_number_are_refused():
    require_numbers("numeric_match", ["1", "two 2"])
    with pytest.raises(GituneError, match=r"numeric_match compares numbers, but 1 of 2 .*hold no number .*'two'"):
        require_numbers("numeric_match", ["1", "two"])
