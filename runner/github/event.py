"""What started a job: GITHUB_EVENT_NAME and the file at GITHUB_EVENT_PATH. Strangers write parts of it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner.errors import UsageError

_SHA = re.compile(r"[0-9a-f]{40}")
LARGEST = 32 << 20
"""Bytes; GitHub's own limit for a payload is 25 MB."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of GitHub."""

    name: str
    """Such as `pull_request`."""
    payload: Mapping[str, Any]
    """As GitHub sent it."""

    def at(self, *keys: str) -> Any:
        """Return a value by its path; None where there is none."""
        found: Any = self.payload
        for key in keys:
            if not isinstance(found, Mapping):
                return None
            found = found.get(key)
        return found

    def text(self, *keys: str) -> str:
        """Return a text by its path; empty where there is none."""
        found = self.at(*keys)
        return found if isinstance(found, str) else ""

    def number(self, *keys: str) -> int | None:
        """Return a positive whole number by its path, also one that was written as text, as inputs are."""
        found = self.at(*keys)
        if isinstance(found, str) and re.fullmatch(r"[1-9]\d{0,9}", found, re.ASCII):
            return int(found)
        return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else None


def is_sha(text: str) -> bool:
    """Whether this is a commit's whole name."""
    return _SHA.fullmatch(text) is not None


def read_event(environ: Mapping[str, str]) -> Event:
    """Read the event that started this job.

    Raises:
        UsageError: when there is none, or its file is no JSON object.
    """
    name, path = environ.get("GITHUB_EVENT_NAME", ""), environ.get("GITHUB_EVENT_PATH", "")
    if not (name and path):
        raise UsageError("no event started this", hint="run it in a workflow, or set GITHUB_EVENT_NAME and …_PATH")
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST + 1)
        payload = json.loads(data[:LARGEST])
    except (OSError, ValueError) as error:
        raise UsageError(f"the event at {path} cannot be read: {error}") from error
    if not isinstance(payload, dict):
        raise UsageError(f"the event at {path} is no JSON object")
    return Event(name, payload)
