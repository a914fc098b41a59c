"""`gitune plan --why-miss`: for each step that runs, the nearest record, the rows that differ, what would be a hit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from runner.errors import Location
from runner.plan.causes import MADE_BY
from runner.plan.changes import ROW_WORDS, short
from runner.plan.history import History
from runner.plan.keys import prepare_inputs
from runner.plan.model import Plan, PlannedStep, SpecPlan
from runner.plan.part import PlanPart
from runner.plan.reasons import Change, Nearest, ReasonCode, RowCount
from runner.plan.row_changes import ROLES, RowDifference, between, of_files, places_of
from runner.plan.subject import Subject
from runner.registry.facts import Record, Step

ROWS_TOLD = 10


class RowPlace(PlanPart):
    """One row that differs."""

    id: str
    """16 hex digits of its content, for rows of a prepared dataset with the number of its occurrence."""
    file: str | None
    """Where it stands, or stood; null when that is not known."""
    line: int | None
    """Line in `file`."""


class RowsDiffer(PlanPart):
    """The first rows that differ in one input."""

    input: str
    """`train`, `validation`, `test`, or `files` where they were not prepared yet."""
    counts: RowCount
    """How many there are in all."""
    added: list[RowPlace]
    """Rows that are new."""
    removed: list[RowPlace]
    """Rows that are gone, as they were."""
    changed: list[RowPlace]
    """Rows whose question is the same and whose answer is another, as they are now."""


class Miss(PlanPart):
    """Why one step is no hit, and what would make it one."""

    spec: str
    """Name of the spec."""
    step: Step
    """Which step."""
    key: str | None
    """The key that no valid record has; null when an earlier step of the plan decides it."""
    reason: str
    """Why, in words."""
    reason_code: ReasonCode
    """Why, for programs."""
    nearest: Nearest | None
    """The earlier record that differs least; null when there is none."""
    changes: list[Change]
    """Everything that differs from it."""
    rows: list[RowsDiffer]
    """The rows that differ."""
    hit_if: list[str]
    """What all would have to be otherwise for it to be reused."""


def why_miss(plan: Plan, subjects: Iterable[Subject], history: History, only: Step | None = None) -> list[Miss]:
    """Explain the steps of a plan that run or may have to.

    Args:
        plan: the plan.
        subjects: the specs it was made of.
        history: earlier records.
        only: the one step to explain; None for all.
    """
    by_name = {subject.spec.name: subject for subject in subjects}
    return [
        _explain(spec, step, by_name[spec.name], history)
        for spec in plan.specs
        for step in spec.steps
        if step.action in ("RUN", "DEPENDS") and step.step != "deploy" and only in (None, step.step)
    ]


def _explain(spec: SpecPlan, step: PlannedStep, subject: Subject, history: History) -> Miss:
    record = history.record(step.step, step.nearest.key) if step.nearest else None
    return Miss(
        spec=spec.name,
        step=step.step,
        key=step.key,
        reason=step.reason,
        reason_code=step.reason_code,
        nearest=step.nearest,
        changes=step.changes,
        rows=list(_rows(step, record, subject, history)) if record else [],
        hit_if=list(_hit_if(step, subject)),
    )


def _hit_if(step: PlannedStep, subject: Subject) -> Iterator[str]:
    file = subject.loaded.file.rpartition("/")[2]
    for change in step.changes:
        where = f" ({file}:{change.line})" if change.line else ""
        if change.path == "files" or change.path in ROW_WORDS:
            yield f"{ROW_WORDS.get(change.path, 'files')} as they were"
        elif change.path in MADE_BY:
            yield f"{MADE_BY[change.path][0]} yields {short(change.old)} again"
        elif change.old is None:
            yield f"no {change.path}{where}"
        else:
            yield f"{change.path} {short(change.old)}{where}"
    for name in step.nearest.missing if step.nearest else ():
        yield f"its artifact {name} restored from a copy of the store"


def _rows(step: PlannedStep, record: Record, subject: Subject, history: History) -> Iterator[RowsDiffer]:
    for change in step.changes:
        if change.path == "files":
            digests = {role: list(files.values()) for role, files in subject.files.items()}
            inputs = prepare_inputs(subject.spec, digests, subject.contract)
            found = of_files(record, inputs, subject, history)
            if found is not None:
                yield _told("files", found, found.places, _by_content(record, history))
        elif change.path in ROLES and step.step == "train":
            found = between(change.path, change.old, change.new, history)
            makers = [history.maker("prepare", change.path, str(digest)) for digest in (change.new, change.old)]
            if found is not None and makers[0] and makers[1]:
                yield _told(change.path, found, _by_content(makers[0], history), _by_content(makers[1], history))


def _by_content(record: Record, history: History) -> Mapping[str, Location]:
    """Return where rows stood, by id and by content alone."""
    places = places_of(record, history)
    return {**places, **{row.rpartition("-")[0]: where for row, where in places.items()}}


def _told(name: str, found: RowDifference, now: Mapping[str, Location], then: Mapping[str, Location]) -> RowsDiffer:
    def told(rows: list[str], places: Mapping[str, Location]) -> list[RowPlace]:
        known = [(row, places.get(row)) for row in rows[:ROWS_TOLD]]
        return [RowPlace(id=row, file=at.file if at else None, line=at.line if at else None) for row, at in known]

    return RowsDiffer(
        input=name,
        counts=found.counts,
        added=told(found.added, now),
        removed=told(found.removed, then),
        changed=told(found.changed, now),
    )
