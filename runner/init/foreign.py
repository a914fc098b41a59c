"""Another tool's settings, key by key -> ours, and for every key that has no counterpart a line that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from runner.errors import Location, SpecError, UsageError
from runner.init.setting import Setting, Settings
from runner.spec.document import Document
from runner.spec.excerpt import excerpt
from runner.spec.models import Split, Training
from runner.spec.names import foreign
from runner.spec.yaml_file import MAX_BYTES, parse_yaml


@dataclass(frozen=True, slots=True)
class Carried:
    """What was taken over from another tool."""

    data: tuple[Path, ...] = ()
    """Its data files."""
    name: str = ""
    """What it calls the model."""
    base_model: str = ""
    """Its base model, where that can be named here."""
    settings: Settings = field(default_factory=dict)
    """What it sets, in our words."""
    told: list[str] = field(default_factory=list)
    """A line for each of its settings: carried, or not and why."""


class Ledger:
    """Carries settings one by one and keeps account of it."""

    def __init__(self, document: Document, tool: str) -> None:
        self.values: dict[str, Any] = dict(document.data) if isinstance(document.data, dict) else {}
        self.settings: Settings = {}
        self.told: list[str] = []
        self._document = document
        self._tool = tool

    def where(self, key: str) -> Location:
        """Return the place of a key."""
        return self._document.where(key)

    def take(self, *keys: str) -> Any:
        """Take keys out of what is left, and return the value of the first that is set."""
        found = [self.values.pop(key, None) for key in keys]
        return next((value for value in found if value is not None), None)

    def set(self, path: str, value: Any, why: str) -> None:
        """Carry a value that is ours already; one that we refuse is told in our words."""
        if isinstance(value, float) and value.is_integer() and path != "training.learning_rate":
            value = int(value)
        if refusal := _refusal(path, value):
            self.told.append(f"not carried: {why}: {refusal}")
            return
        self.settings[path] = Setting(value, why)
        self.told.append(f"carried: {why} as {path}: {value}")

    def leave(self, what: str, why: str) -> None:
        """Say that something is not carried, and why."""
        self.told.append(f"not carried: {what}: {why}")

    def carry(self, table: Mapping[str, str]) -> None:
        """Carry the keys that mean the same here: their name -> our path."""
        for key, path in table.items():
            if (value := self.take(key)) is not None:
                self.set(path, value, f"{key} of {self._tool}")

    def leave_rest(self, reasons: Mapping[str, str]) -> None:
        """Say of all that is left why it stays behind."""
        for key, value in self.values.items():
            if value in (None, "", [], {}):
                continue
            name = foreign(key)
            known = (
                (f"here {name.here}{f', {name.note}' if name.note else ''}" if name.here else name.note) if name else ""
            )
            self.leave(f"{excerpt(key)} ({self.where(key)})", reasons.get(key) or known or "nothing here does that")
        self.values.clear()


def read_settings(path: Path) -> Document:
    """Read another tool's YAML or JSON, which is YAML.

    Raises:
        UsageError: when there is no such file.
        SpecError: when it is no mapping, or cannot be read without guessing.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path} is larger than settings ever are", hint="name the settings, not the data")
        document = parse_yaml(path.read_bytes(), str(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    if document.findings:
        raise SpecError([problem for _, problem in document.findings])
    if not isinstance(document.data, dict) or not document.data:
        raise UsageError(f"{path} holds no settings", hint="it must be a mapping of keys to values")
    return document


def _refusal(path: str, value: Any) -> str:
    """Return why our format refuses a value."""
    section, _, rest = path.rpartition(".")
    nested: dict[str, Any] = {rest: value}
    for part in reversed(section.split(".")[1:]):
        nested = {part: nested}
    model = Split if section == "dataset.split" else Training
    try:
        model.model_validate(nested["split"] if model is Split else nested)
    except ValidationError as error:
        return f"{excerpt(str(value))} is refused: {error.errors()[0]['msg']}"
    return ""
