"""Rows and findings -> the data card: what was read, how it was divided, what stands out.

It holds counts; of the rows' texts only labels and masked samples.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from runner.contract.excerpt import excerpt
from runner.contract.strict_json import read_json
from runner.data.findings import Findings
from runner.data.formats import RowShape
from runner.data.prompts import prompt_of, reference_of
from runner.data.reading import FileSummary
from runner.data.rows import Row, text_of
from runner.data.split import PARTS, Part
from runner.spec.models import Dataset

MAX_LABELS = 200
"""More different answers than this are no labels."""


def build_card(
    dataset: Dataset, parts: Mapping[Part, Sequence[Row]], files: Sequence[FileSummary], findings: Findings
) -> dict[str, Any]:
    """Return the card as a JSON object; equal data gives an equal card."""
    read = sum(file.rows for file in files)
    kept = sum(len(rows) for rows in parts.values())
    shapes: Counter[RowShape] = Counter()
    for file in files:
        shapes.update(file.shapes)
    return {
        "format_version": "1.0",
        "files": [_file(file) for file in files],
        "formats": dict(sorted(shapes.items())),
        "rows": {"read": read, "dropped": read - kept, **{part: len(parts[part]) for part in PARTS}},
        "split": _split(dataset, parts, kept),
        "test_prompts": len({prompt_of(row).id for row in parts["test"]}),
        "lengths": {part: _lengths(parts[part]) for part in PARTS},
        "labels": _labels(parts, dataset.label),
        "findings": {"counts": findings.counts(), "samples": [found.as_json() for found in findings.all()]},
    }


def _file(file: FileSummary) -> dict[str, Any]:
    return {"file": file.name, "part": file.part, "rows": file.rows, "formats": dict(sorted(file.shapes.items()))}


def _split(dataset: Dataset, parts: Mapping[Part, Sequence[Row]], kept: int) -> dict[str, Any]:
    by = "input" if dataset.split.group_by is None else dataset.split.group_by
    given = {"validation": bool(dataset.validation), "test": bool(dataset.test)}
    asked = {"validation": dataset.split.validation, "test": dataset.split.test}
    return {
        "by": {part: "files" if given[part] else f"hash of {by}" for part in given},
        "asked": {part: None if given[part] else share for part, share in asked.items()},
        "share": {part: round(len(parts[part]) / kept, 4) if kept else 0.0 for part in PARTS},
        "seed": dataset.split.seed,
    }


def _lengths(rows: Sequence[Row]) -> dict[str, Any]:
    """Return lengths in characters; tokens are a matter of the model, which is not known here."""
    prompts = sorted(sum(len(text_of(turn)) for turn in row.messages[:-1]) for row in rows)
    answers = sorted(len(reference_of(row)) for row in rows)
    turns = sorted(len(row.messages) for row in rows)
    return {"prompt_characters": _spread(prompts), "answer_characters": _spread(answers), "messages": _spread(turns)}


def _spread(values: Sequence[int]) -> dict[str, int]:
    if not values:
        return {}
    last = len(values) - 1
    return {"min": values[0], "median": values[last // 2], "p95": values[last * 95 // 100], "max": values[-1]}


def _labels(parts: Mapping[Part, Sequence[Row]], field: str | None) -> dict[str, Any] | None:
    """Count the label field, or whole answers when there are few; None when the answers are no labels."""
    counts = {part: Counter(_label(reference_of(row), field) for row in rows) for part, rows in parts.items()}
    if len(set().union(*counts.values())) > MAX_LABELS:
        return None
    return {"field": field, "counts": {part: dict(sorted(counts[part].items())) for part in PARTS}}


def _label(answer: str, field: str | None) -> str:
    if field is None:
        return excerpt(answer)
    value = read_json(answer)
    found = value.get(field) if isinstance(value, dict) else None
    return "(none)" if found is None else excerpt(str(found))
