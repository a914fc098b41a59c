"""What a step gets and what it gives back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.contract.contract import OutputContract, build_contract
from runner.errors import GituneError
from runner.models.base import BaseFiles, BaseRef, materialize
from runner.plan.keys import Inputs
from runner.plan.rivals import Rival
from runner.plan.subject import Subject, read_contract
from runner.progress import Report, silent
from runner.registry.facts import Artifact, Content, Record, Step, Version
from runner.registry.views import RegistryWriter

# A deployment, all that an apply of a revert does, reads none.
if TYPE_CHECKING:
    from runner.data.prompts import Prompt
    from runner.data.rows import Row


@dataclass(frozen=True, slots=True)
class StepContext:
    """Everything a step may read, and the registry it stores its outputs in."""

    subject: Subject
    registry: RegistryWriter
    records: Mapping[Step, Record]
    """Records of the earlier steps of this spec."""
    champion: Version | None
    cache: Path
    """Machine-wide cache of base models."""
    scratch: Path
    """Empty folder for this step, deleted afterwards."""
    state: Path
    """Folder of this step's key that outlives a kill; gone once the record is written. May not exist yet."""
    rivals: tuple[Rival, ...] = ()
    """The champion and the other versions that gates compare with."""
    trackers: tuple[str, ...] = ()
    """Experiment trackers that follow a training."""
    report: Report = silent

    def output(self, step: Step, name: str) -> Artifact:
        """Return an artifact that an earlier step stored."""
        return self.records[step].outputs[name]

    def rows(self, split: str) -> list[Row]:
        """Return a split of the canonical dataset."""
        from runner.data.rows import rows_from_jsonl

        return rows_from_jsonl(self.registry.read(self.output("prepare", split)))

    def prompts(self) -> list[Prompt]:
        """Return the test prompts."""
        from runner.data.prompts import prompts_from_jsonl

        return prompts_from_jsonl(self.registry.read(self.output("prepare", "prompts")))

    def contract(self) -> OutputContract | None:
        """Build the format contract.

        Raises:
            GituneError: when it is not the one that the step's key was made of.
        """
        loaded = self.subject.loaded
        require_unchanged("the output format", self.subject.contract, read_contract(loaded))
        where = loaded.where("evaluation.output_format")
        return build_contract(loaded.spec.evaluation.output_format, loaded.folder, loaded.root, where)

    def base_of(self, content: Content) -> BaseRef:
        """Return the base model of a released version, with the version's own chat template."""
        if content.base_digest == self.subject.base.digest:
            return replace(self.subject.base, chat_template=content.chat_template)
        return BaseRef(content.base_model, content.base_digest, size=0, chat_template=content.chat_template)

    def base(self, ref: BaseRef | None = None) -> BaseFiles:
        """Return the base model's files, verified and converted once per machine."""
        return materialize(ref or self.subject.base, self.subject.loaded.root, self.cache, self.report)


@dataclass(frozen=True, slots=True)
class StepPart:
    """A part of a step with a key of its own: the answers of one of several models."""

    inputs: Inputs
    result: StepResult
    started: datetime
    finished: datetime


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step yields: artifacts already stored, and small numbers for the record."""

    outputs: Mapping[str, Artifact] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[StepPart] = ()
    """What others may reuse alone, under keys of its own."""


def require_unchanged(what: str, planned: object, now: object) -> None:
    """Refuse to keep under a key what files edited since the plan would put there.

    Raises:
        GituneError: when they were edited.
    """
    if planned != now:
        raise GituneError(f"{what} changed while this apply was under way", hint="plan and apply again")


def to_json(value: object) -> bytes:
    """Encode a small result so that a person can read it and equal results have equal bytes."""
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()


def to_jsonl(rows: list[dict[str, Any]]) -> bytes:
    """Encode one JSON object per line, with sorted keys.

    Half a surrogate pair, which a model may say and UTF-8 cannot, becomes a question mark.
    """
    lines = [json.dumps(row, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n" for row in rows]
    return "".join(lines).encode("utf-8", "replace")
