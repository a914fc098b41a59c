"""A spec -> the canonical rows of its files, and what changed between two such sets, counted in rows.

Needs no registry: `diff` reads both sides' files as `prepare` would. Late on a plan's path, for it loads the readers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runner.data.prepare import prepare
from runner.data.prompts import prompts_of, prompts_to_jsonl
from runner.data.rows import rows_to_jsonl
from runner.digest import digest_bytes
from runner.errors import SpecError
from runner.plan.reasons import RowCount
from runner.plan.row_changes import Questions, differing, question_of
from runner.plan.subject import Subject

LARGEST = 64 << 20
"""Bytes of data that are read to count rows; a training on more takes so long that its owner knows."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What `prepare` would make of a spec's files."""

    digests: Mapping[str, str]
    """Of the outputs that later steps read, by name."""
    questions: Mapping[str, Questions]
    """By split."""


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
    return Rows(digests, {name: {row.id: question_of(row.messages) for row in rows} for name, rows in splits.items()})


def count_rows(old: Rows, new: Rows) -> dict[str, RowCount]:
    """Count what changed in each split that changed."""
    counts = {name: differing(old.questions[name], new.questions[name]).counts for name in new.questions}
    return {name: count for name, count in counts.items() if count.added or count.removed or count.changed}
