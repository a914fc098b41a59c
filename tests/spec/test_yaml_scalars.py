from __future__ import annotations

import json
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runner.spec.yaml_scalars import Unclear, resolve


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("true", True),
        ("False", False),
        ("0", 0),
        ("-12", -12),
        ("+3", 3),
        ("0x1F", 31),
        ("0.10", 0.1),
        ("2e-4", 2e-4),
        ("1.", 1.0),
        (".5", 0.5),
        ("1.0.0", "1.0.0"),
        ("10%", "10%"),
        ("2024-01-31", "2024-01-31"),
        ("y", "y"),
        ("nULL", "nULL"),
        ("./data", "./data"),
        ("-", "-"),
        ("1:99", "1:99"),
        ("=", "="),
    ],
)
def test_read_as_yaml_1_2_does(text, value):
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@pytest.mark.parametrize(
    "text",
    ["yes", "No", "ON", "off", "010", "00", "0o17", "0b1", "1_000", "1_0.5", "12:30", "1:30:00", "-0x1F", "0x1_F",
     ".inf", "-.INF", ".NaN", "1e999", "9" * 41, "0x" + "f" * 40],
)  # fmt: skip
def test_asked_to_quote(text):
    assert isinstance(resolve(text), Unclear)


@given(st.text(alphabet="0123456789+-._:eExobnyfalstru~aNI", max_size=8))
def test_pyyaml_never_reads_another_value(text):
    value = resolve(text)
    if isinstance(value, Unclear):
        return
    loader = yaml.SafeLoader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    try:
        theirs = loader.construct_object(yaml.ScalarNode(tag, text))
    except (ValueError, yaml.YAMLError):
        theirs = text  # such as a date of month 13
    if isinstance(value, str):
        # Dates are text here; what else YAML 1.1 reads as a value, we must have refused.
        assert isinstance(theirs, str) or not isinstance(theirs, bool | int | float | None)
    elif not isinstance(theirs, str):
        # `1e3` is text for YAML 1.1; everybody means the number.
        assert value == theirs


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_as_json_writes_them(number):
    text = json.dumps(number)
    if len(text) <= 40:
        assert math.isclose(resolve(text), number, rel_tol=0, abs_tol=0)
