"""Semantic versions as Gitune uses them: three numbers. `parse("1.2.0") -> (1, 2, 0)`, which sorts as it should."""

from __future__ import annotations

import re

from runner.errors import UsageError
from runner.spec.excerpt import excerpt

_VERSION = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})", re.ASCII)


def parse(version: str) -> tuple[int, int, int]:
    """Return the three numbers of a version.

    Raises:
        UsageError: when it is no such version.
    """
    match = _VERSION.fullmatch(version)
    if match is None:
        raise UsageError(f"`{excerpt(version)}` is not a version", hint="write three numbers, such as 1.2.0")
    major, minor, patch = (int(number) for number in match.groups())
    return major, minor, patch


def next_major(version: str) -> str:
    """Return the version of a change that callers must know of: `1.2.3` -> `2.0.0`."""
    return f"{parse(version)[0] + 1}.0.0"


def next_minor(version: str) -> str:
    """Return the version of a change that callers may notice: `1.2.3` -> `1.3.0`."""
    major, minor, _ = parse(version)
    return f"{major}.{minor + 1}.0"


def next_patch(version: str) -> str:
    """Return the version to suggest for a small correction: `1.2.3` -> `1.2.4`."""
    major, minor, patch = parse(version)
    return f"{major}.{minor}.{patch + 1}"
