"""A released version, or a spec as it is now -> one side of release notes; and notes as Markdown."""

from __future__ import annotations

from runner.errors import UsageError
from runner.plan.decision import PREDICT_STEPS
from runner.plan.keys import content_of
from runner.plan.walk import Walk
from runner.registry.facts import Record, RegistryReader, Step, Version
from runner.report.escape import code, inline
from runner.report.notes import Notes, Release, metric_words
from runner.spec.semver import parse

NEEDED: tuple[Step, ...] = ("prepare", "train", "score", "gate")


def released_side(version: Version, reader: RegistryReader) -> Release:
    """Return a released version with its records.

    Raises:
        UsageError: when a record that the notes are written from is gone.
    """
    records: dict[Step, Record] = {}
    for step, key in version.keys.items():
        homes = PREDICT_STEPS if step in PREDICT_STEPS else (step,)
        found = next((one for home in homes if key and (one := reader.record(home, key))), None)
        if found is not None:
            records[step] = found
    _require(records, f"{version.name} {version.version}", "restore it from a copy of the store")
    return Release(
        version=version.version,
        content=version.content,
        records=records,
        champion=version.champion,
        verdict=version.verdict,
        approval=version.approval,
    )


def candidate_side(walk: Walk) -> Release:
    """Return the spec as it is now.

    Args:
        walk: a walk that has looked at every step.

    Raises:
        UsageError: when it has not been evaluated yet.
    """
    spec, train = walk.subject.spec, walk.decisions["train"]
    _require(walk.records, f"{spec.name} {spec.version}", "`gitune apply --through evaluate` makes it")
    champion = walk.champion
    return Release(
        version=spec.version,
        content=content_of(spec, walk.subject.base, str(train.key), walk.records["train"]),
        records=walk.records,
        champion=champion.version if champion else None,
        verdict=walk.records["gate"].metrics["outcome"],
        approval=walk.approval,
        released=False,
    )


def _require(records: dict[Step, Record], what: str, remedy: str) -> None:
    missing = [step for step in NEEDED if step not in records]
    if missing:
        raise UsageError(f"{what} has no record of {missing[0]}: nothing to write notes from", hint=remedy)


def predecessor(version: str, released: list[Version]) -> Version | None:
    """Return the released version that comes before a number."""
    return next((one for one in reversed(released) if parse(one.version) < parse(version)), None)


def render_notes(notes: Notes) -> str:
    """Render notes as a Markdown section, for a changelog or a pull request."""
    since = f" (since {notes.since})" if notes.since else ""
    state = "" if notes.released else ", not released yet"
    changes = [f"- {inline(change.words)}" for change in notes.changes] or [
        "- the same model" if notes.since else "- first release"
    ]
    rows = f", {notes.metric.n} test rows" if notes.metric.n else ""
    by = f", approved by {inline(notes.approved_by)}" if notes.approved_by else ""
    return "\n".join(
        [
            f"## {code(notes.name)} {notes.version}{since}{state}",
            "",
            *changes,
            f"- {inline(metric_words(notes.metric))}{rows}",
            f"- gates: {notes.verdict}{by}",
            "",
        ]
    )
