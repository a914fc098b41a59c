"""The registry -> the primary metric over released versions, and what changed since the one this follows."""

from __future__ import annotations

from runner.errors import UsageError
from runner.plan.walk import Walk
from runner.registry.chain import sealed_record
from runner.registry.facts import Record, Version
from runner.report.notes import changes_between
from runner.report.parts import HistoryPoint, SpecChange
from runner.report.releases import candidate_side, released_side


def history_of(walk: Walk) -> list[HistoryPoint]:
    """Return the primary metric as each released version was measured for its release, oldest first, and of this one.

    Args:
        walk: a walk that has looked at every step, and found all records up to the gate.
    """
    spec, reader, scored = walk.subject.spec, walk.reader, walk.records["score"]
    points = [_released(version, walk) for version in reader.versions(spec.name)]
    known = [point for point in points if point is not None]
    if walk.released is None:
        known.append(_point(spec.version, None, scored, walk.records["prepare"], walk))
    return known


def _released(version: Version, walk: Walk) -> HistoryPoint | None:
    """Return a version's point; None where its records are gone, or hold no such metric."""
    scored, prepared = (sealed_record(version, step, walk.reader) for step in ("score", "prepare"))
    primary = walk.subject.spec.evaluation.primary
    if scored is None or primary not in scored.metrics.get("tuned", {}):
        return None
    return _point(version.version, version, scored, prepared, walk)


def _point(number: str, version: Version | None, scored: Record, prepared: Record | None, walk: Walk) -> HistoryPoint:
    return HistoryPoint(
        version=number,
        date=version.released if version else None,
        value=scored.metrics["tuned"][walk.subject.spec.evaluation.primary],
        n=prepared.metrics.get("rows", {}).get("test") if prepared else None,
        same_test_set=scored.inputs.get("test") == walk.records["score"].inputs.get("test"),
    )


def changes_since_champion(walk: Walk) -> list[SpecChange]:
    """Return what is not as in the champion; nothing where there is none, or where its records are gone."""
    if walk.champion is None:
        return []
    try:
        old = released_side(walk.champion, walk.reader)
    except UsageError:
        return []
    return changes_between(candidate_side(walk), old, walk.reader)
