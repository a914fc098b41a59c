"""PREPARE: the dataset section of a spec -> canonical train, validation and test rows, findings and a data card.

`gitune apply` runs this as the step `prepare`. Everything that is wrong is told at once; with an error nothing is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from runner.contract.contract import OutputContract
from runner.data.card import build_card
from runner.data.checks import (
    Placed,
    check_answers,
    check_conflicts,
    check_leaks,
    check_pii,
    check_sizes,
    unique_examples,
)
from runner.data.findings import Finding, Findings
from runner.data.reading import Reader
from runner.data.rows import Example, Row, number_rows
from runner.data.slices import carry
from runner.data.sources import source_files
from runner.data.split import PARTS, Part, part_of
from runner.errors import Location, Problem, SpecError
from runner.spec.models import Dataset

__all__ = ["Prepared", "Row", "prepare"]

Files = Mapping[Part, Mapping[str, Path]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """A dataset ready for training and evaluation; every list of rows is in canonical order."""

    train: list[Row]
    validation: list[Row]
    test: list[Row]
    findings: list[Finding]
    """Warnings and remarks; errors are raised instead."""
    card: dict[str, Any]
    sources: list[dict[str, Any]]
    """`{"id", "split", "file", "line"}` of every row: where people find it. Nothing is computed from this."""
    slices: dict[str, dict[str, str]] = field(default_factory=dict)
    """Values of `evaluation.slices` that stand beside the test rows: field -> row id -> value."""


def prepare(
    dataset: Dataset,
    folder: Path,
    root: Path,
    contract: OutputContract | None,
    slices: Mapping[str, Location] | None = None,
) -> Prepared:
    """Read, check, number and divide the rows of a dataset.

    Args:
        dataset: the spec's section.
        folder: the spec's folder, which file names are relative to.
        root: the repository.
        contract: what every answer must satisfy, if anything.
        slices: fields by which test results are told apart, and where the spec names them.

    Raises:
        SpecError: when a file pattern cannot be used.
        DataError: with every finding of severity error.
    """
    spec = Location((folder.resolve() / "spec.yaml").relative_to(root.resolve()).as_posix())
    files = _find_files(dataset, folder, root)
    findings = Findings()
    _check_roles(files, spec, findings)

    reader = Reader(dataset, findings, slices or ())
    read = {part: reader.read(part, files[part]) for part in PARTS}
    all_rows_read = not findings.has_errors()

    examples = {part: unique_examples(read[part], dataset.checks.duplicates, findings) for part in PARTS}
    everything = [*chain.from_iterable(examples.values())]
    if contract is not None:
        check_answers(everything, contract, findings)
    check_pii(everything, dataset, findings)
    check_conflicts(everything, findings)

    parts = _divide(examples, dataset)
    check_leaks(parts, dataset, findings)
    if all_rows_read:  # else the rows that are missing would be told a second time, as too few
        check_sizes(parts, len(examples["train"]), dataset, spec, findings)
    rows = {part: [row for row, _ in parts[part]] for part in PARTS}
    carried = carry(rows["test"], slices or {}, contract, findings) if all_rows_read else {}
    findings.raise_errors()

    card = build_card(dataset, rows, reader.summaries, findings)
    return Prepared(rows["train"], rows["validation"], rows["test"], findings.all(), card, _sources(parts), carried)


def _find_files(dataset: Dataset, folder: Path, root: Path) -> Files:
    """Resolve all patterns, telling every wrong one at once."""
    found: dict[Part, dict[str, Path]] = {}
    problems: list[Problem] = []
    patterns: dict[Part, list[str]] = {"train": dataset.train, "validation": dataset.validation, "test": dataset.test}
    for part in PARTS:
        try:
            paths = source_files(patterns[part], folder, root)
            found[part] = {path.relative_to(root).as_posix(): path for path in paths}
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(problems)
    return found


def _check_roles(files: Files, spec: Location, findings: Findings) -> None:
    roles: dict[str, Part] = {}
    for part in PARTS:
        for name in files[part]:
            if (earlier := roles.setdefault(name, part)) != part:
                message = f"{name} is in dataset.{earlier} and in dataset.{part}"
                hint = "narrow the glob, or move the file to a folder of its own"
                findings.add("file_in_two_parts", "error", message, spec, hint=hint)


def _divide(examples: Mapping[Part, Sequence[Example]], dataset: Dataset) -> dict[Part, list[Placed]]:
    """Number the rows and take from train what has no files of its own."""
    parts: dict[Part, list[Placed]] = {
        "train": [],
        "validation": number_rows(examples["validation"]),
        "test": number_rows(examples["test"]),
    }
    given = {"validation_given": bool(dataset.validation), "test_given": bool(dataset.test)}
    for row, where in number_rows(examples["train"]):
        parts[part_of(row, dataset.split, **given)].append((row, where))
    return parts


def _sources(parts: Mapping[Part, Sequence[Placed]]) -> list[dict[str, Any]]:
    return [
        {"id": row.id, "split": part, "file": where.file, "line": where.line}
        for part in PARTS
        for row, where in parts[part]
    ]
