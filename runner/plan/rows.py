"""A spec -> the canonical rows of its files, and what changed between two such sets, counted in rows.

Needs no registry: `diff` reads both sides' files as `prepare` would. Late on a plan's path, for it loads the readers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from runner.data.prepare import prepare
from runner.data.prompts import prompts_of, prompts_to_jsonl
from runner.data.rows import Row, rows_to_jsonl
from runner.digest import digest_bytes
from runner.errors import SpecError
from runner.plan.difference import RowCounts
from runner.plan.subject import Subject

LARGEST = 64 << 20
"""Bytes of data that are read to count rows; a training on more takes so long that its owner knows."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What `prepare` would make of a spec's files."""

    digests: Mapping[str, str]
    """Of the outputs that later steps read, by name."""
    questions: Mapping[str, Mapping[str, str]]
    """By split: row id -> what is asked, so that an answer edited under the same question counts as one change."""


def read_rows(subject: Subject) -> Rows | str:
    """Return the rows of a spec's files, or why they cannot be told.

    Raises:
        OSError: when a file is gone that was there a moment ago.
    """
    root, files = subject.loaded.root, [name for role in subject.files.values() for name in role]
    size = sum((root / name).stat().st_size for name in files)
    if size > LARGEST:
        return f"{size >> 20} MB of data are too much to compare row by row"
    data = subject.spec.dataset
    # Whether rows are good enough is for `prepare` to say; which ones there are does not depend on it.
    kept = "drop" if data.checks.duplicates == "drop" else "ignore"
    checks = data.checks.model_copy(update={"pii": "ignore", "min_examples": 1, "duplicates": kept})
    try:
        found = prepare(data.model_copy(update={"checks": checks}), subject.loaded.folder, root, None)
    except SpecError as error:
        return f"{error.problems[0].where}: {error.problems[0].message}"
    splits = {"train": found.train, "validation": found.validation, "test": found.test}
    digests = {name: digest_bytes(rows_to_jsonl(rows)) for name, rows in splits.items()}
    digests["prompts"] = digest_bytes(prompts_to_jsonl(prompts_of(found.test)))
    return Rows(digests, {name: {row.id: _question(row) for row in rows} for name, rows in splits.items()})


def count_rows(old: Rows, new: Rows) -> dict[str, RowCounts]:
    """Count what changed in each split that changed."""
    counts = {name: _count(old.questions[name], new.questions[name]) for name in new.questions}
    return {name: count for name, count in counts.items() if count.added or count.removed or count.changed}


def _count(before: Mapping[str, str], now: Mapping[str, str]) -> RowCounts:
    gone, come = before.keys() - now.keys(), now.keys() - before.keys()
    edited = len({before[row] for row in gone} & {now[row] for row in come})
    return RowCounts(added=len(come) - edited, removed=len(gone) - edited, changed=edited)


def _question(row: Row) -> str:
    return json.dumps(row.messages[:-1], sort_keys=True)
