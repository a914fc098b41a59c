"""What `prepare` stored -> the training rows that resemble each test row, with their texts and where they stand."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from runner.data.prompts import reference_of
from runner.data.rows import Row, rows_from_jsonl
from runner.registry.facts import Record
from runner.registry.views import RegistryReader
from runner.report.model import Nearest
from runner.report.rows import asked, shorten

LIMIT = 300
"""Characters of a training row's texts that are kept beside a test row."""


def nearest_of(
    prepared: Record, reader: RegistryReader, rows: Collection[str] | None = None
) -> dict[str, list[Nearest]]:
    """Return the nearest training rows by test row, the most similar first; none for records of an older gitune.

    Args:
        prepared: record of `prepare`.
        reader: where its artifacts are.
        rows: ids of the test rows that are asked about; None: all.
    """
    lines = [line for line in lines_of(prepared, "neighbours", reader) if rows is None or line["row"] in rows]
    if not any(line["nearest"] for line in lines):
        return {}
    where = places_of(prepared, reader)
    trained = {row.id: row for row in rows_from_jsonl(reader.read(prepared.outputs["train"]))}
    return {line["row"]: [_nearest(found, trained, where) for found in line["nearest"]] for line in lines}


def places_of(prepared: Record, reader: RegistryReader) -> dict[str, str]:
    """Return `file:line` by row id, of test and training rows."""
    return {line["id"]: f"{line['file']}:{line['line']}" for line in lines_of(prepared, "sources", reader)}


def lines_of(record: Record, name: str, reader: RegistryReader) -> list[dict[str, Any]]:
    """Read an artifact of JSON lines; empty where an older gitune, or a run without errors, wrote none."""
    if name not in record.outputs:
        return []
    return [json.loads(line) for line in reader.read(record.outputs[name]).splitlines()]


def _nearest(found: dict[str, Any], trained: dict[str, Row], where: dict[str, str]) -> Nearest:
    row = trained.get(found["row"])
    return Nearest(
        row=found["row"],
        similarity=found["similarity"],
        where=where.get(found["row"], ""),
        input=shorten(asked(row), LIMIT) if row else "",
        answer=shorten(reference_of(row), LIMIT) if row else "",
    )
