"""A sample of rows, a name and a base model -> the files of a first spec, before anything is written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.data.split import Part
from runner.errors import Problem
from runner.init.answers import Answers, read_answers
from runner.init.evaluation import SCHEMA_FILE, propose_evaluation
from runner.init.sample import Sample
from runner.init.setting import Setting, Settings
from runner.init.spec_text import spec_text
from runner.init.training import propose_answer_length, propose_split, propose_training

_PACKAGE = "a Python package, which CI's machines need as well; hf://ORG/NAME@COMMIT needs none"
_UNINSTRUCTED = "no row says what to do: `system_prompt` would, and makes the base model a fair rival"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A first spec."""

    name: str
    """Name of the spec and of its folder."""
    base_model: str
    """URI of its base model."""
    files: dict[str, str]
    """What is written beside the spec, and the spec itself: name in its folder -> text."""
    data: dict[str, Path]
    """What is copied there: name in its folder -> the person's file."""
    told: list[str]
    """What was found in the data, in lines for the person."""
    remarks: list[Problem] = field(default_factory=list)
    """What the person had better look at."""


def propose(sample: Sample, name: str, base_model: str, carried: Settings | None = None) -> Proposal:
    """Propose a spec.

    Args:
        sample: the rows.
        name: of the spec.
        base_model: its URI.
        carried: settings that somebody decided elsewhere; they take the place of proposed ones.

    Raises:
        DataError: when all answers are the same.
    """
    answers = read_answers(sample.examples, name)
    settings, parts = _settings(sample, answers, name, base_model)
    names = [path.name for path in sample.files.values()]
    header = f"Proposed by `gitune init` from {_listed(names)}. Every value is yours to change."
    files = {"spec.yaml": spec_text(settings | (carried or {}), header)}
    if answers.schema:
        files[SCHEMA_FILE] = json.dumps(answers.schema, ensure_ascii=False, indent=2) + "\n"
    data = {f"data/{path.name}": path for path in sample.files.values()}
    return Proposal(name, base_model, files, data, _told(sample, settings, parts), answers.remarks)


def _settings(sample: Sample, answers: Answers, name: str, base_model: str) -> tuple[Settings, Counter[Part]]:
    examples = sample.examples
    split, why_split, parts = propose_split(examples)
    settings: Settings = {
        "apiVersion": Setting("gitune/v1"),
        "name": Setting(name),
        "version": Setting("1.0.0", "other content needs another number"),
        "base_model": Setting(base_model, _PACKAGE if base_model.startswith("pkg://") else ""),
        "dataset.train": Setting([f"data/{path.name}" for path in sample.files.values()]),
        "dataset.format": Setting(sample.shape, "" if _instructed(sample) else _UNINSTRUCTED),
    }
    if answers.label:
        why = "the field of the answer that classification metrics go by"
        settings["dataset.label"] = Setting(answers.label, why)
    settings |= {
        "dataset.split.validation": Setting(split.validation),
        "dataset.split.test": Setting(split.test, why_split),
        "dataset.split.seed": Setting(split.seed, "another number divides anew"),
        "dataset.checks.pii": Setting("warn", "`error` keeps personal data out for certain"),
        "dataset.checks.duplicates": Setting("drop"),
    }
    if answers.kind == "preferences":
        settings["training.objective"] = Setting("dpo", "rows that say which of two answers is better")
    settings |= propose_training(examples, parts["train"], base_model)
    settings |= propose_evaluation(answers, parts["test"], propose_answer_length(examples))
    settings["deployment.alias"] = Setting("production")
    return settings, parts


def _instructed(sample: Sample) -> bool:
    """Return whether rows bring their own instructions, in a system message or in each question."""
    return sample.shape == "instruction" or any(each.messages[0]["role"] == "system" for each in sample.examples)


def _told(sample: Sample, settings: Settings, parts: Counter[Part]) -> list[str]:
    repeated = sample.rows - len(sample.examples)
    dropped = f", {repeated:,} of them repeated and left out" if repeated else ""
    task, gates = settings["evaluation.task"], settings["evaluation.gates"].value
    label = settings.get("dataset.label")
    uses: dict[Part, str] = {"train": "to train on", "validation": "to choose the best epoch", "test": "to test on"}
    divided = ", ".join(f"{parts[part]:,} {use}" for part, use in uses.items())
    return [
        f"{sample.rows:,} rows of format {sample.shape}{dropped}: {divided}",
        f"{task.value}: {task.why}{f'; label: {label.value}' if label else ''}",
        f"measured by {', '.join(settings['evaluation.metrics'].value)}",
        *(f"gate: {_gate(gate)}{f' ({gate.why})' if gate.why else ''}" for gate in gates),
    ]


def _gate(gate: Setting) -> str:
    """Word a gate on one line."""
    margin = gate.value.get("by") or gate.value.get("margin") or {}
    points = f"by {margin['points']} points" if "by" in gate.value else ""
    points = f"by more than {margin['points']} points" if "margin" in gate.value else points
    match gate.value:
        case {"metric": metric, "beats": rival}:
            return f"{metric} beats {rival} {points}".rstrip()
        case {"metric": metric, "not_worse_than": rival}:
            return f"{metric} not worse than {rival} {points}".rstrip()
        case _:
            return f"{gate.value['metric']} at least {gate.value['at_least']:.0%}"


def _listed(names: Sequence[str]) -> str:
    few = 3
    return ", ".join(names) if len(names) <= few else f"{names[0]} and {len(names) - 1} other files"
