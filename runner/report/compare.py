"""Two releases -> their comparison row by row, or why they cannot be compared.

The same test rows, prompts, output format and scorer, or no comparison: else a difference would say nothing about the
models.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from runner.data.prompts import prompt_of, reference_of
from runner.data.rows import rows_from_jsonl
from runner.errors import GituneError, UsageError
from runner.evaluation.compare import Gain, compare
from runner.evaluation.ledger import Status, right_by, status_of
from runner.evaluation.scores import Scores, SubjectScores
from runner.registry.facts import Record, Step
from runner.registry.views import RegistryReader
from runner.report.comparison import ComparedRow, Comparison, Neighbour
from runner.report.model import TEXT_LIMIT
from runner.report.nearest import lines_of, nearest_of
from runner.report.notes import Release
from runner.report.rows import asked, shorten

_ORDER: tuple[Status, ...] = ("broken", "fixed", "both_wrong")

_RULES = {"implementation": "scorer version", "label": "label field", "contract": "output format", "custom": "metrics"}


class _Side:
    """One version, with what it answered."""

    def __init__(self, release: Release, reader: RegistryReader) -> None:
        self.version, self.records, self._reader = release.version, release.records, reader
        self.inputs = release.records["score"].inputs
        self.prepared = release.records["prepare"]
        self.rows = {row.id: row for row in rows_from_jsonl(self._bytes("prepare", "test"))}
        stored = Scores.model_validate_json(self._bytes("score", "scores"))
        self.ids = stored.rows or list(self.rows)
        self.scores = stored.subjects["tuned"]

    def texts(self) -> dict[str, str]:
        """Return the answers by prompt id."""
        answers = map(json.loads, self._bytes("predict_tuned", "answers").splitlines())
        return {answer["prompt_id"]: answer["text"] for answer in answers if not answer.get("sample")}

    def _bytes(self, step: Step, name: str) -> bytes:
        if step not in self.records:
            raise UsageError(f"{self.version} has no record of {step}: its rows cannot be compared")
        return self._reader.read(self.records[step].outputs[name])


def compare_releases(
    name: str, old: Release, new: Release, metric: str, reader: RegistryReader, *, common_rows: bool = False
) -> Comparison:
    """Compare two releases on the test rows that both answered.

    Args:
        name: name of the spec.
        old: what is compared with.
        new: what is compared.
        metric: the primary metric.
        reader: where scores, rows and answers are.
        common_rows: compare although the test sets differ, on the rows that both have.

    Raises:
        UsageError: when they did not answer the same questions, or were scored by other rules.
    """
    before, after = _Side(old, reader), _Side(new, reader)
    _require_comparable(before, after, common_rows=common_rows)
    by, was = right_by(metric, before.ids, before.scores)
    by_now, now = right_by(metric, after.ids, after.scores)
    if by != by_now:
        raise UsageError(f"rows of {before.version} are judged by {by}, and of {after.version} by {by_now}")
    both = [row for row in after.ids if was.get(row) is not None and now[row] is not None]
    if not both:
        raise UsageError(f"{before.version} and {after.version} have answered no test row in common")
    status = {row: status_of([was[row], now[row]]) for row in both}
    gain = _gain(metric, before, after, both)
    counts = Counter(status.values())
    return Comparison(
        name=name,
        old=before.version,
        new=after.version,
        metric=metric,
        before=_value(metric, before, both),
        after=_value(metric, after, both),
        difference=gain.difference if gain else None,
        low=gain.low if gain else None,
        high=gain.high if gain else None,
        method=gain.method if gain else "no interval",
        n=len(both),
        left_out=len(set(before.ids) | set(after.ids)) - len(both),
        right_by=by,
        counts={kind: counts[kind] for kind in ("fixed", "broken", "both_right", "both_wrong")},
        rows=_rows(status, before, after, reader),
    )


def rules_apart(old: Record, new: Record) -> list[str]:
    """Return by which rules two records of `score` were made differently, in words."""
    return [words for name, words in _RULES.items() if old.inputs.get(name) != new.inputs.get(name)]


def _require_comparable(old: _Side, new: _Side, *, common_rows: bool) -> None:
    if rules := rules_apart(old.records["score"], new.records["score"]):
        raise UsageError(
            f"{old.version} and {new.version} were scored by other rules: {', '.join(rules)}",
            hint="release the older content anew, so that both are scored alike",
        )
    if old.inputs["test"] != new.inputs["test"] and not common_rows:
        shared = len(set(old.ids) & set(new.ids))
        raise UsageError(
            f"{old.version} and {new.version} answered other test rows ({len(old.ids)} and {len(new.ids)}, "
            f"{shared} in common)",
            hint="--common-rows compares those that both have" if shared else "",
        )


def _on(rows: Sequence[str], side: _Side) -> SubjectScores:
    """Return a version's scores on some rows, in their order; corpus metrics have none."""
    place = {row: at for at, row in enumerate(side.ids)}
    kept = [place[row] for row in rows]
    per_row = {metric: [values[at] for at in kept] for metric, values in side.scores.rows.items()}
    known = {name: [value for value in values if value is not None] for name, values in per_row.items()}
    values = {name: sum(some) / len(some) for name, some in known.items() if some}
    return SubjectScores(n=len(kept), values=values, rows=per_row)


def _value(metric: str, side: _Side, rows: Sequence[str]) -> float | None:
    return side.scores.values.get(metric) if len(rows) == len(side.ids) else _on(rows, side).values.get(metric)


def _gain(metric: str, old: _Side, new: _Side, rows: Sequence[str]) -> Gain | None:
    whole = len(rows) == len(old.ids) == len(new.ids) and old.ids == new.ids
    ours, theirs = (new.scores, old.scores) if whole else (_on(rows, new), _on(rows, old))
    try:
        return compare(metric, ours, old.version, theirs)
    except GituneError:
        return None


def _rows(status: Mapping[str, Status], old: _Side, new: _Side, reader: RegistryReader) -> list[ComparedRow]:
    before, after = old.texts(), new.texts()
    near = _neighbours({row for row, kind in status.items() if kind in _ORDER}, old, new, reader)
    told = []
    for wanted in _ORDER:
        for row in (new.rows[row] for row, kind in status.items() if kind == wanted):
            prompt = prompt_of(row).id
            told.append(
                ComparedRow(
                    row=row.id,
                    status=wanted,
                    input=shorten(asked(row), TEXT_LIMIT),
                    expected=shorten(reference_of(row), TEXT_LIMIT),
                    before=shorten(before[prompt], TEXT_LIMIT),
                    after=shorten(after[prompt], TEXT_LIMIT),
                    nearest=near.get(row.id, []),
                )
            )
    return told


def _neighbours(rows: Collection[str], old: _Side, new: _Side, reader: RegistryReader) -> dict[str, list[Neighbour]]:
    """Return the newer version's training rows that resemble test rows, and which the older one was trained without."""
    trained = {line["id"] for line in lines_of(old.prepared, "train", reader)}
    return {
        row: [Neighbour(**near.model_dump(), new=near.row not in trained) for near in found]
        for row, found in nearest_of(new.prepared, reader, rows).items()
    }
