from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import UsageError
from runner.spec.semver import next_major, next_minor, next_patch, parse

numbers = st.integers(0, 999_999_998)


@given(numbers, numbers, numbers)
def test_versions_sort_by_number_and_go_up(major, minor, patch):
    version = f"{major}.{minor}.{patch}"
    assert parse(version) == (major, minor, patch)
    assert parse(version) < parse(next_patch(version)) < parse(next_minor(version)) < parse(next_major(version))


@pytest.mark.parametrize(
    "text", ["", "1", "1.0", "v1.0.0", "01.0.0", "1.0.0-rc1", "1.0.0\n", " 1.0.0", "1.0.٣", "1.0.0.0"]
)
def test_what_is_no_version(text):
    with pytest.raises(UsageError, match="is not a version"):
        parse(text)
