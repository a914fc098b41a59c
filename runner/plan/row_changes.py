"""Which rows differ: between two prepared datasets, or between a prepared one and the files as they are now.

A row is known by its content (`data.rows`), so moved rows do not differ. An answer edited under the same question is
one changed row, not one gone and one new.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from runner.errors import GituneError, Location
from runner.plan.history import History
from runner.plan.keys import Inputs
from runner.plan.reasons import RowCount
from runner.plan.subject import Subject
from runner.registry.facts import Artifact, Record

ROLES = ("train", "validation", "test")

LARGEST = 8_000_000
"""Bytes read on either side to count rows, more than a second's work; beyond them only files are told."""


class RowDifference(NamedTuple):
    """Ids of the rows that differ, in canonical order, and where they stand."""

    added: list[str]
    removed: list[str]
    changed: list[str]
    """Ids as they are now."""
    places: Mapping[str, Location]
    """Of rows that are there now, by id, as far as they were looked up."""

    @property
    def counts(self) -> RowCount:
        """How many they are."""
        return RowCount(added=len(self.added), removed=len(self.removed), changed=len(self.changed))


# Row id -> the question it asks.
Questions = Mapping[str, str]


def between(role: str, old: object, new: object, history: History) -> RowDifference | None:
    """Compare two datasets by their digests; None when one of them is not in the registry any more, or is large."""
    makers = [history.maker("prepare", role, str(digest)) for digest in (old, new)]
    sides = [_dataset(maker.outputs[role], history) for maker in makers if maker is not None]
    if len(sides) < len(makers) or sides[0] is None or sides[1] is None:
        return None
    return differing(sides[0], sides[1])


def of_files(record: Record, inputs: Inputs, subject: Subject, history: History) -> RowDifference | None:
    """Compare the files that changed since a prepare with the rows it read from them.

    Rows are counted as they are written, before any check drops one. None when rows would now be read in another way,
    when what was read before is gone, or when it is too much to read.
    """
    if _reading(record.inputs) != _reading(inputs):
        return None
    before: dict[str, str] = record.metrics.get("files", {})
    files = {part: dict(paths) for part, paths in subject.files.items()}
    now = {path: digest for paths in files.values() for path, digest in paths.items()}
    edited = {part: [p for p, digest in paths.items() if before.get(p) != digest] for part, paths in files.items()}
    root = subject.loaded.root
    if sum((root / path).stat().st_size for paths in edited.values() for path in paths) > LARGEST:
        return None
    old = _prepared(record, history)
    if old is None:
        return None
    was, places_then = old
    come, places = _read(edited, subject)
    touched = {path for path, digest in before.items() if now.get(path) != digest}
    kept = {row for row, file in places_then.items() if file not in touched}
    # A row that a file shares with another one was dropped there, and counts where it was kept.
    return differing(
        {row: question for row, question in was.items() if row not in kept},
        {row: question for row, question in come.items() if row not in kept},
        places,
    )


def differing(before: Questions, now: Questions, places: Mapping[str, Location] | None = None) -> RowDifference:
    """Tell which rows differ; answers edited under the same question are changed rows."""
    gone, come = before.keys() - now.keys(), now.keys() - before.keys()
    asked_before, asked_now = {before[row] for row in gone}, {now[row] for row in come}
    edited = asked_before & asked_now
    return RowDifference(
        added=sorted(row for row in come if now[row] not in edited),
        removed=sorted(row for row in gone if before[row] not in edited),
        changed=sorted(row for row in come if now[row] in edited),
        places=places or {},
    )


def _reading(inputs: Inputs) -> object:
    """Return the inputs of a prepare that decide how a row of a file is read."""
    return [inputs.get("format"), inputs.get("system_prompt"), inputs.get("split", {}).get("group_by")]


def _dataset(artifact: Artifact, history: History) -> Questions | None:
    rows = _objects(artifact, history)
    try:
        return None if rows is None else {row["id"]: question_of(row["messages"]) for row in rows}
    except (KeyError, TypeError):
        return None


def _prepared(record: Record, history: History) -> tuple[Questions, Mapping[str, str]] | None:
    """Return every row that a prepare yielded, and its file, both by content: occurrences are not told apart."""
    if not {*ROLES, "sources"} <= record.outputs.keys():
        return None
    if sum(record.outputs[role].size for role in ROLES) > LARGEST:
        return None
    sides = [_dataset(record.outputs[role], history) for role in ROLES]
    if any(side is None for side in sides):
        return None
    questions = {_content(row): question for side in sides if side for row, question in side.items()}
    places = places_of(record, history)
    return (questions, {_content(row): where.file for row, where in places.items()}) if places else None


def places_of(record: Record, history: History) -> Mapping[str, Location]:
    """Return where each row stood when it was prepared; nothing when that is lost."""
    rows = _objects(record.outputs["sources"], history) if "sources" in record.outputs else None
    try:
        return {row["id"]: Location(row["file"], row["line"]) for row in rows or ()}
    except (KeyError, TypeError):
        return {}


def _objects(artifact: Artifact, history: History) -> list[Any] | None:
    """Read JSON lines. A namespace's artifacts were written by strangers: what is no data of ours is nothing."""
    data = _bytes(artifact, history)
    try:
        return None if data is None else [json.loads(line) for line in data.splitlines()]
    except ValueError:
        return None


def _bytes(artifact: Artifact, history: History) -> bytes | None:
    """Read an artifact; None when it is too large, or lost or damaged, which is for the step that needs it to tell."""
    if artifact.size > LARGEST:
        return None
    try:
        return history.reader.read(artifact)
    except GituneError:
        return None


def _read(files: Mapping[str, list[str]], subject: Subject) -> tuple[Questions, Mapping[str, Location]]:
    """Read rows as prepare will. What cannot be read it will tell; here it counts as no row."""
    # What reads rows is imported only when data changed.
    from runner.data.findings import Findings
    from runner.data.reading import Reader
    from runner.data.rows import number_rows

    reader = Reader(subject.spec.dataset, Findings())
    root: Path = subject.loaded.root
    examples = [
        example for part, paths in files.items() for example in reader.read(part, {path: root / path for path in paths})
    ]
    rows = number_rows(examples)
    questions = {_content(row.id): question_of(row.messages) for row, _ in rows}
    return questions, {_content(row.id): where for row, where in reversed(rows)}


def _content(row: str) -> str:
    return row.rpartition("-")[0]


def question_of(messages: list[dict[str, object]]) -> str:
    """Return what a row asks, in one spelling."""
    return json.dumps(messages[:-1], sort_keys=True)
