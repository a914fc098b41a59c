"""Why a step misses: its inputs against those of the nearest earlier record, down to field, line and rows.

The nearest record is the one with the fewest differing inputs, one of the same spec before any other, the newest last
to break ties.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from runner.errors import RegistryError
from runner.plan.keys import Inputs
from runner.plan.model import Change
from runner.plan.subject import Subject
from runner.registry.facts import Record, RegistryReader

# Where an input of a step stands in the spec; anything else is told under its own name.
SPEC_PATHS: Mapping[str, str] = {
    "backend": "backend",
    "base_model": "base_model",
    "chat_template": "chat_template",
    "checks": "dataset.checks",
    "contract": "evaluation.output_format",
    "engine": "engine",
    "format": "dataset.format",
    "gates": "evaluation.gates",
    "generation": "evaluation.generation",
    "label": "dataset.label",
    "metrics": "evaluation.metrics",
    "on_inconclusive": "evaluation.on_inconclusive",
    "split": "dataset.split",
    "system_prompt": "dataset.system_prompt",
    "training": "training",
}

ROW_INPUTS = ("train", "validation", "test")


def nearest(records: Iterable[Record], inputs: Inputs, subject: Subject) -> Record | None:
    """Return the record whose inputs differ least from these."""
    flat = dict(_leaves(inputs))

    def distance(record: Record) -> tuple[bool, int, float]:
        other = dict(_leaves(record.inputs))
        differing = sum(flat.get(path) != other.get(path) for path in flat.keys() | other.keys())
        return record.spec != subject.spec.name, differing, -record.finished.timestamp()

    return min(records, key=distance, default=None)


def explain_miss(inputs: Inputs, record: Record, subject: Subject, reader: RegistryReader) -> list[Change]:
    """Return what differs between these inputs and an earlier record's."""
    old, new = dict(_leaves(record.inputs)), dict(_leaves(inputs))
    changes = []
    for path in sorted(old.keys() | new.keys()):
        if old.get(path) == new.get(path):
            continue
        changes.append(_change(path, old.get(path), new.get(path), subject, record, reader))
    return changes


def describe(changes: list[Change], subject: Subject) -> str:
    """Say changes in one line: `training.learning_rate 0.0002 → 0.0001 (spec.yaml:24)`."""
    name = subject.loaded.file.rsplit("/", 1)[-1]
    return "; ".join(_words(change, name) for change in changes)


def _words(change: Change, file: str) -> str:
    where = f" ({file}:{change.line})" if change.line else ""
    if change.path in ROW_WORDS and isinstance(change.new, str):
        return f"{ROW_WORDS[change.path]} {change.new}{where}"
    return f"{change.path} {_short(change.old)} → {_short(change.new)}{where}"


ROW_WORDS = {"train": "training rows", "validation": "validation rows", "test": "test rows", "files": "files"}


def _short(value: object) -> str:
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    is_digest = len(text) == 64 and not set(text) - set("0123456789abcdef")  # noqa: PLR2004 - a sha256
    if is_digest:
        return text[:8]
    return text if len(text) <= 60 else text[:57] + "…"  # noqa: PLR2004 - one line of a terminal


def _change(path: str, old: object, new: object, subject: Subject, record: Record, reader: RegistryReader) -> Change:
    head, _, rest = path.partition(".")
    if head == "files":
        return Change(path="files", old=None, new=_file_words(record, subject))
    if head in ROW_INPUTS:
        return Change(path=head, old=old, new=_row_words(head, old, new, reader) or new)
    spec_path = SPEC_PATHS.get(head)
    if spec_path is None:
        return Change(path=path, old=old, new=new)
    full = f"{spec_path}.{rest}" if rest else spec_path
    return Change(path=full, old=old, new=new, line=subject.loaded.where(full).line)


def _file_words(record: Record, subject: Subject) -> str:
    before: dict[str, str] = record.metrics.get("files", {})
    now = {path: digest for files in subject.files.values() for path, digest in files.items()}
    words = [
        *(f"{path} changed" for path in sorted(before.keys() & now.keys()) if before[path] != now[path]),
        *(f"{path} added" for path in sorted(now.keys() - before.keys())),
        *(f"{path} removed" for path in sorted(before.keys() - now.keys())),
    ]
    return ", ".join(words) or "moved between roles"


def _row_words(role: str, old: object, new: object, reader: RegistryReader) -> str | None:
    """Count rows between two datasets, when both are still in the registry."""
    found: dict[object, Record] = {}
    for record in reader.records("prepare"):
        found.setdefault(record.outputs[role].digest, record)
    if old not in found or new not in found:
        return None
    datasets = [found[digest].outputs[role] for digest in (old, new)]
    if not all(reader.exists(dataset) for dataset in datasets):
        return None
    try:
        before, now = (_rows(reader.read(dataset)) for dataset in datasets)
    except RegistryError:  # damaged: a courtesy less, and no reason to have no plan
        return None
    gone, come = before.keys() - now.keys(), now.keys() - before.keys()
    edited = {before[row] for row in gone} & {now[row] for row in come}
    return f"+{len(come) - len(edited)} −{len(gone) - len(edited)} ~{len(edited)}"


def _rows(data: bytes) -> dict[str, str]:
    """Map row id to question, so that an answer edited under the same question counts as one change."""
    rows = (json.loads(line) for line in data.splitlines())
    return {row["id"]: json.dumps(row["messages"][:-1], sort_keys=True) for row in rows}


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    # A list is one value: `metrics` with one more entry is one change, not a shift of all that follow. File digests
    # and schemas are told as one change too.
    if isinstance(value, Mapping) and value and path not in ("files", "contract"):
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}" if path else str(name))
    else:
        yield path, value
