"""Released versions of a name -> every test row that changed: who fixed it, who broke it, and what resembles it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Literal

from runner.data.rows import rows_from_jsonl
from runner.errors import GituneError, UsageError
from runner.evaluation.ledger import Status, right_by, status_of
from runner.evaluation.scores import Scores
from runner.registry.chain import sealed_records
from runner.registry.facts import Record, Step, Version
from runner.registry.views import RegistryReader
from runner.report.compare import asked, neighbours_of
from runner.report.comparison import Neighbour
from runner.report.parts import ReportPart
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
    nearest: list[Neighbour]
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
    """Released versions whose scores are gone, or that say of no row whether it is right."""
    unchanged: int
    """Rows that no version changed."""
    rows: list[LedgerRow]
    """Flapping rows first, then broken ones, then fixed ones."""


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
    scored, left_out = {}, []
    for version in versions:
        try:
            records = sealed_records(version, reader)
            scored[version.version] = (version, records, _results(metric, records, reader))
        except GituneError:
            left_out.append(version.version)
    if len(scored) < 2:  # noqa: PLR2004 - a change needs two
        raise UsageError(f"{name} has {len(scored)} released versions with scores: nothing to compare")
    ids = dict.fromkeys(row for _, _, results in scored.values() for row in results)
    told, unchanged = [], 0
    for row in ids:
        results = [each.get(row) for _, _, each in scored.values()]
        if (status := status_of(results)) in _ORDER:
            version, records, _ = list(scored.values())[_last_change(results)]
            told.append(_row(row, status, results, version, records, reader))
        else:
            unchanged += 1
    told.sort(key=lambda one: (_ORDER.index(one.status), one.row))
    return Ledger(name=name, versions=list(scored), left_out=left_out, unchanged=unchanged, rows=told)


def ledger_text(found: Ledger) -> str:
    """Render for a terminal: one line for each row that changed, ✓ right, ✗ wrong, · not asked."""
    lines = [f"{found.name}: {' '.join(found.versions)}; {found.unchanged} rows never changed"]
    for one in found.rows:
        marks = "".join("·" if result is None else "✓" if result else "✗" for result in one.results)
        text = printable(" ".join(one.input.split()))
        lines.append(f"  {marks}  {one.status:<8}  {one.since} {one.commit[:7]}  {text[:_WIDTH]}")
        lines += [f"      near {near.similarity:.2f} {near.where or near.row}" for near in one.nearest]
    if found.left_out:
        lines.append(f"without {', '.join(found.left_out)}: no scores of single rows")
    return "\n".join(lines)


def _results(metric: str, records: dict[Step, Record], reader: RegistryReader) -> dict[str, bool | None]:
    if not {"score", "prepare"} <= records.keys():
        raise GituneError("no scores")
    stored = Scores.model_validate_json(reader.read(records["score"].outputs["scores"]))
    ids = stored.rows or [row.id for row in rows_from_jsonl(reader.read(records["prepare"].outputs["test"]))]
    return dict(right_by(metric, ids, stored.subjects["tuned"])[1])


def _last_change(results: Sequence[bool | None]) -> int:
    known = [(at, result) for at, result in enumerate(results) if result is not None]
    return next(at for (_, was), (at, now) in reversed(list(itertools.pairwise(known))) if was != now)


def _row(
    row: str,
    status: Status,
    results: list[bool | None],
    version: Version,
    records: dict[Step, Record],
    reader: RegistryReader,
) -> LedgerRow:
    rows = {one.id: one for one in rows_from_jsonl(reader.read(records["prepare"].outputs["test"]))}
    nearest = neighbours_of([row], records["prepare"], None, reader).get(row, [])
    return LedgerRow(
        row=row,
        status=status,
        results=results,
        input=asked(rows[row]),
        since=version.version,
        commit=version.commit,
        nearest=nearest,
    )
