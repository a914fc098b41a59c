"""Released versions of a name -> every test row that changed: who fixed it, who broke it, and what resembles it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from runner.data.rows import rows_from_jsonl
from runner.errors import GituneError, UsageError
from runner.evaluation.ledger import Results, Status, right_by, status_of
from runner.evaluation.scores import Scores
from runner.registry.chain import sealed_records
from runner.registry.facts import Record, Version
from runner.registry.views import RegistryReader
from runner.report.compare import rules_apart
from runner.report.model import TEXT_LIMIT, Nearest
from runner.report.nearest import nearest_of
from runner.report.parts import ReportPart
from runner.report.rows import asked, shorten
from runner.report.text import printable

_ORDER: tuple[Status, ...] = ("flapping", "broken", "fixed")
_WIDTH = 100


class LedgerRow(ReportPart):
    """One test row that some version changed."""

    row: str
    """Row id."""
    status: Status
    """`flapping`, `broken` or `fixed`."""
    results: list[bool | None]
    """Whether each version has it right; null: not among its test rows, or not answered."""
    input: str
    """The conversation before the answer, without the system message."""
    since: str
    """Version that changed it last."""
    commit: str
    """Commit of that version."""
    nearest: list[Nearest]
    """Training rows of that version that resemble it, the most similar first."""


class Ledger(ReportPart):
    """Test rows through the versions of a name."""

    format_version: Literal["1.0"] = "1.0"
    """Version of this JSON."""
    name: str
    """Name of the spec."""
    versions: list[str]
    """Released versions that were scored, oldest first."""
    left_out: list[str]
    """Released versions whose scores are gone, were made by other rules, or say of no row whether it is right."""
    unchanged: int
    """Rows that no version changed."""
    rows: list[LedgerRow]
    """Flapping rows first, then broken ones, then fixed ones."""


class _Scored(NamedTuple):
    """One released version with what it has right."""

    version: Version
    prepared: Record
    score: Record
    results: Results


def build_ledger(name: str, versions: Sequence[Version], metric: str, reader: RegistryReader) -> Ledger:
    """Follow every row through the versions.

    Args:
        name: name of the spec.
        versions: its released versions, oldest first.
        metric: the primary metric.
        reader: where scores and rows are.

    Raises:
        UsageError: when fewer than two versions can be compared.
    """
    scored = [found for version in versions if (found := _scored(version, metric, reader)) is not None]
    # By other rules a row may change without the model.
    alike = [one for one in scored if not rules_apart(one.score, scored[-1].score)]
    if len(alike) < 2:  # noqa: PLR2004 - a change needs two
        raise UsageError(
            f"{name}: {len(alike)} of {len(versions)} released versions have scores by the same rules, and a change "
            "needs two",
            hint=f"`gitune report {name} --compare A B` compares a release with a version that is not released",
        )
    told, unchanged = [], 0
    for row in dict.fromkeys(row for one in alike for row in one.results):
        results = [one.results.get(row) for one in alike]
        if (status := status_of(results)) in _ORDER:
            told.append((row, status, results, alike[_last_change(results)]))
        else:
            unchanged += 1
    rows = [made for one in alike for made in _rows([found for found in told if found[3] is one], one, reader)]
    kept = {one.version.version for one in alike}
    return Ledger(
        name=name,
        versions=[one.version.version for one in alike],
        left_out=[version.version for version in versions if version.version not in kept],
        unchanged=unchanged,
        rows=sorted(rows, key=lambda one: (_ORDER.index(one.status), one.row)),
    )


def ledger_text(found: Ledger) -> str:
    """Render for a terminal: one line for each row that changed, ✓ right, ✗ wrong, · not asked."""
    lines = [f"{found.name}: {' '.join(found.versions)}; {found.unchanged} rows never changed"]
    for one in found.rows:
        marks = "".join("·" if result is None else "✓" if result else "✗" for result in one.results)
        text = printable(" ".join(one.input.split()))
        lines.append(f"  {marks}  {one.status:<8}  {one.since} {one.commit[:7]}  {text[:_WIDTH]}")
        lines += [f"      near {near.similarity:.2f} {near.where or near.row}" for near in one.nearest]
    if found.left_out:
        lines.append(f"without {', '.join(found.left_out)}: no scores of single rows, or by other rules")
    return "\n".join(lines)


def _scored(version: Version, metric: str, reader: RegistryReader) -> _Scored | None:
    try:
        records = sealed_records(version, reader)
        if not {"score", "prepare"} <= records.keys():
            return None
        stored = Scores.model_validate_json(reader.read(records["score"].outputs["scores"]))
        ids = stored.rows or [row.id for row in rows_from_jsonl(reader.read(records["prepare"].outputs["test"]))]
        results = right_by(metric, ids, stored.subjects["tuned"])[1]
    except GituneError:
        return None
    return _Scored(version, records["prepare"], records["score"], results)


def _last_change(results: Sequence[bool | None]) -> int:
    known = [(at, result) for at, result in enumerate(results) if result is not None]
    return next(at for (_, was), (at, now) in reversed(list(itertools.pairwise(known))) if was != now)


def _rows(
    changed: Sequence[tuple[str, Status, list[bool | None], _Scored]], by: _Scored, reader: RegistryReader
) -> Iterator[LedgerRow]:
    """Yield the rows that one version changed last; its rows and their neighbours are read once for all of them."""
    if not changed:
        return
    rows = {row.id: row for row in rows_from_jsonl(reader.read(by.prepared.outputs["test"]))}
    nearest = nearest_of(by.prepared, reader, {row for row, *_ in changed})
    for row, status, results, _ in changed:
        yield LedgerRow(
            row=row,
            status=status,
            results=results,
            input=shorten(asked(rows[row]), TEXT_LIMIT),
            since=by.version.version,
            commit=by.version.commit,
            nearest=nearest.get(row, []),
        )
