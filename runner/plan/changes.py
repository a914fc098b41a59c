"""Why a step misses: its inputs against those of the nearest earlier record, down to field, line and rows.

The nearest record is the one with the fewest differing inputs, one of the same spec before any other, the newest last
to break ties.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from runner.plan.history import History
from runner.plan.keys import Inputs
from runner.plan.reasons import Change, Nearest, RowCount
from runner.plan.row_changes import ROLES, between, of_files
from runner.plan.subject import Subject
from runner.registry.facts import Record, Step

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
    "measures": "evaluation.custom_metrics",
    "metrics": "evaluation.metrics",
    "custom_metrics": "evaluation.custom_metrics",
    "on_inconclusive": "evaluation.on_inconclusive",
    "slices": "evaluation.slices",
    "split": "dataset.split",
    "system_prompt": "dataset.system_prompt",
    "training": "training",
}

ROW_WORDS = {
    "train": "training rows",
    "validation": "validation rows",
    "test": "test rows",
    "neighbours": "near neighbours of test rows in the training rows",
    "slice_values": "values of the slices beside the test rows",
}

FILES_TOLD = 3


def nearest(step: Step, inputs: Inputs, subject: Subject, history: History) -> Record | None:
    """Return the record whose inputs differ least from these."""
    flat = dict(_leaves(inputs))

    def distance(record: Record) -> tuple[int, float]:
        other = dict(_leaves(record.inputs))
        differing = sum(flat.get(path) != other.get(path) for path in flat.keys() | other.keys())
        return differing, -record.finished.timestamp()

    own = min(history.own(step, subject.spec.name), key=distance, default=None)
    return own or min(history.newest(step), key=distance, default=None)


def found_in(record: Record, history: History) -> Nearest:
    """Describe a record, with those of its artifacts that are not whole any more."""
    missing = [name for name, artifact in record.outputs.items() if not history.reader.exists(artifact)]
    return Nearest(
        key=record.key,
        spec=record.spec,
        version=record.version,
        commit=record.commit,
        finished=record.finished,
        missing=missing,
    )


def explain_miss(inputs: Inputs, record: Record, subject: Subject, history: History) -> list[Change]:
    """Return what differs between these inputs and an earlier record's."""
    old, new = dict(_leaves(record.inputs)), dict(_leaves(inputs))
    changed = [path for path in sorted(old.keys() | new.keys()) if old.get(path) != new.get(path)]
    changes = []
    for path in changed:
        if path == "files":
            rows = of_files(record, inputs, subject, history)
            count = rows.counts if rows else None
            changes.append(Change(path="files", old=None, new=_file_words(record, subject), rows=count))
        else:
            pairs = _within(path, old.get(path), new.get(path))
            changes += [_change(inner, was, now, subject, history) for inner, was, now in pairs]
    return changes


def describe(changes: Sequence[Change], subject: Subject) -> str:
    """Say changes in one line: `training.learning_rate 0.0002 → 0.0001 (spec.yaml:24)`."""
    name = subject.loaded.file.rsplit("/", 1)[-1]
    return "; ".join(words_of(change, name) for change in changes)


def words_of(change: Change, file: str) -> str:
    """Say one change.

    Args:
        change: the change.
        file: name of the spec file, as people are told it.
    """
    where = f" ({file}:{change.line})" if change.line else ""
    if change.path == "files":
        return f"rows {change.rows}: {change.new}" if change.rows else f"files: {change.new}"
    if change.path == "implementation":
        return f"this gitune does the step differently ({short(change.old)} → {short(change.new)})"
    name = ROW_WORDS.get(change.path, change.path)
    if change.rows is not None:
        return f"{name} {change.rows}{where}"
    if isinstance(change.old, list) and isinstance(change.new, list):
        return f"{name} {_items(change.old, change.new)}{where}"
    return f"{name} {short(change.old)} → {short(change.new)}{where}"


def _items(old: list[Any], new: list[Any]) -> str:
    """Say which items of a list came and went; where none did, that their order is another."""
    come = [f"+{short(item)}" for item in new if item not in old]
    gone = [f"−{short(item)}" for item in old if item not in new]
    return ", ".join([*come, *gone]) or "in another order"


def short(value: object) -> str:
    """Show a value in few characters: digests and long texts are cut."""
    if value is None:
        return "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    is_digest = len(text) == 64 and not set(text) - set("0123456789abcdef")  # noqa: PLR2004 - a sha256
    if is_digest:
        return text[:8]
    cut = text if len(text) <= 60 else text[:57] + "…"  # noqa: PLR2004 - one line of a terminal
    return f'"{cut}"' if isinstance(value, str) and (" " in cut or not cut) else cut


def _change(path: str, old: object, new: object, subject: Subject, history: History) -> Change:
    head, _, rest = path.partition(".")
    if head in ROLES:
        return Change(path=head, old=old, new=new, rows=_row_count(head, old, new, history))
    spec_path = SPEC_PATHS.get(head)
    if spec_path is None:
        return Change(path=path, old=old, new=new)
    full = f"{spec_path}.{rest}" if rest else spec_path
    return Change(path=full, old=old, new=new, line=subject.loaded.where(full).line)


def _within(path: str, old: Any, new: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield what differs inside a list whose items are mappings and as many as before, else the whole value."""
    lists = isinstance(old, list) and isinstance(new, list) and len(old) == len(new)
    if not lists or not all(isinstance(item, Mapping) for item in (*old, *new)):
        yield path, old, new
        return
    for number, (before, now) in enumerate(zip(old, new, strict=True)):
        was, leaves = dict(_leaves(before)), dict(_leaves(now))
        for name in sorted(was.keys() | leaves.keys()):
            if was.get(name) != leaves.get(name):
                yield f"{path}.{number}.{name}", was.get(name), leaves.get(name)


def _row_count(role: str, old: object, new: object, history: History) -> RowCount | None:
    rows = between(role, old, new, history)
    return rows.counts if rows else None


def _file_words(record: Record, subject: Subject) -> str:
    """Name the files that differ, as seen from the spec's folder."""
    before: dict[str, str] = record.metrics.get("files", {})
    now = {path: digest for files in subject.files.values() for path, digest in files.items()}
    folder = subject.loaded.file.rpartition("/")[0] + "/"
    kinds = {
        "changed": [path for path in before.keys() & now.keys() if before[path] != now[path]],
        "added": [path for path in now.keys() - before.keys() if now[path] not in before.values()],
        "removed": [path for path in before.keys() - now.keys() if before[path] not in now.values()],
    }
    told = chain.from_iterable(_few(kind, sorted(paths), folder) for kind, paths in kinds.items())
    return ", ".join(told) or "moved or copied"


def _few(kind: str, paths: list[str], folder: str) -> Iterator[str]:
    for path in paths[:FILES_TOLD]:
        yield f"{path.removeprefix(folder)} {kind}"
    if (more := len(paths) - FILES_TOLD) > 0:
        yield f"{more} more {kind}"


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    # A list is one value: `metrics` with one more entry is one change, not a shift of all that follow. File digests
    # and schemas are told as one change too.
    if isinstance(value, Mapping) and value and path not in ("files", "contract"):
        for name, item in value.items():
            yield from _leaves(item, f"{path}.{name}" if path else str(name))
    else:
        yield path, value
