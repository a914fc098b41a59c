"""(test rows, answers, scores) -> what became of every row, and the rows as an explorer shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.data.prompts import prompt_of, reference_of
from runner.data.rows import Row, text_of
from runner.evaluation.answers import same_answer
from runner.evaluation.catalog import FORMAT_COMPLIANCE, metric_of
from runner.evaluation.compare import EPSILON
from runner.evaluation.scores import Scores, SubjectScores
from runner.report.evidence import Evidence
from runner.report.model import TEXT_LIMIT, ReportRow, RowChanges, Status

Pair = tuple[float | None, float | None]
"""Value of a rival and of the tuned model; None: not answered."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What says whether a row is right: a metric, and each subject's value of every row."""

    metric: str
    """Its name."""
    values: Mapping[str, Sequence[float | None]]
    """By subject; None: not answered."""

    @property
    def graded(self) -> bool:
        """Whether some row is neither right nor wrong."""
        return any(value not in (0.0, 1.0, None) for values in self.values.values() for value in values)

    def pairs(self, rival: str) -> list[Pair]:
        """Return the values of a rival and the tuned model, row by row."""
        return list(zip(self.values[rival], self.values["tuned"], strict=True))


def judge_rows(evidence: Evidence) -> Judged:
    """Choose what says whether a row is right: the primary metric, else whole or labelled answers, else any metric."""
    evaluation, subjects = evidence.spec.evaluation, evidence.scores.subjects
    primary, custom = evaluation.primary, evaluation.custom_metrics
    # Neither a short answer nor one that keeps to the format is right for that.
    shared = [
        name
        for name in subjects["tuned"].rows
        if name in subjects["base"].rows and name != FORMAT_COMPLIANCE and metric_of(name, custom).is_share
    ]
    others = [] if subjects["tuned"].labels else shared
    metric = next((name for name in (primary, "exact_match", *others) if name in shared), None)
    if metric is not None:
        return Judged(metric, {name: found.rows[metric] for name, found in subjects.items() if metric in found.rows})
    if subjects["tuned"].labels:
        return Judged("label", {name: _by_label(found) for name, found in subjects.items() if found.labels})
    return Judged("exact_match", {name: _by_text(evidence, name) for name in evidence.answers})


def _by_label(scores: SubjectScores) -> list[float | None]:
    unanswered = {*scores.unanswered}
    return [
        None if at in unanswered else float(expected == answered)
        for at, (expected, answered) in enumerate(scores.labels)
    ]


def _by_text(evidence: Evidence, subject: str) -> list[float | None]:
    texts = evidence.answers[subject].texts
    asked = ((reference_of(row), texts.get(prompt_of(row).id)) for row in evidence.rows)
    return [None if text is None else float(same_answer(reference, text)) for reference, text in asked]


def count_changes(judged: Judged, rival: str) -> RowChanges:
    """Count the rows fixed and broken; those that either did not answer are none of them."""
    statuses = [_status(theirs, ours, breaks=False) for theirs, ours in judged.pairs(rival)]
    fixed, broken = statuses.count("fixed"), statuses.count("broken")
    unchanged = len(statuses) - fixed - broken - statuses.count("unanswered")
    return RowChanges(metric=judged.metric, graded=judged.graded, fixed=fixed, broken=broken, unchanged=unchanged)


def _status(base: float | None, tuned: float | None, *, breaks: bool) -> Status:
    if base is None or tuned is None:
        return "unanswered"
    if abs(tuned - base) > EPSILON:
        return "fixed" if tuned > base else "broken"
    if tuned >= 1 - EPSILON:
        return "both_right"
    return "format_error" if breaks else "both_wrong"


def report_rows(evidence: Evidence, judged: Judged) -> list[ReportRow]:
    """Return every test row, in the order of the test split."""
    base, champion = (judged.pairs(rival) if rival in judged.values else [] for rival in ("base", "champion"))
    return [_row(evidence, at, base[at], champion[at] if champion else None) for at in range(len(evidence.rows))]


def _row(evidence: Evidence, at: int, base: Pair, champion: Pair | None) -> ReportRow:
    scores, row = evidence.scores, evidence.rows[at]
    prompt, violations = prompt_of(row), breaks_of(scores.subjects["tuned"], at)
    said = {name: told.texts[prompt.id] for name, told in evidence.answers.items() if prompt.id in told.texts}
    return ReportRow(
        id=row.id,
        status=_status(*base, breaks=bool(violations)),
        champion_status=_status(*champion, breaks=bool(violations)) if champion else None,
        where=evidence.places.get(row.id, ""),
        input=shorten(asked(row), TEXT_LIMIT),
        expected=shorten(reference_of(row), TEXT_LIMIT),
        answers={name: shorten(text, TEXT_LIMIT) for name, text in said.items()},
        violations=violations,
        near=bool(scores.near and scores.near[at]),
        nearest=list(evidence.nearest.get(row.id, ())),
        values=_values(scores, at),
        slices={field: values[at] for field, values in scores.slices.items()},
    )


def _values(scores: Scores, at: int) -> dict[str, dict[str, float | None]]:
    values: dict[str, dict[str, float | None]] = {}
    for name, found in scores.subjects.items():
        for metric, rows in found.rows.items():
            values.setdefault(metric, {})[name] = rows[at]
    return values


def breaks_of(scores: SubjectScores, at: int) -> list[str]:
    """Return how a row's answer breaks the format; older records say only that it does."""
    if scores.breaks:
        return scores.breaks[at]
    kept = scores.rows.get(FORMAT_COMPLIANCE)
    return ["format"] if kept and kept[at] == 0.0 else []


def asked(row: Row) -> str:
    """Return what a row asks: the conversation before the answer, without the system message."""
    turns = [turn for turn in prompt_of(row).messages if turn["role"] != "system"]
    return text_of(turns[0]) if len(turns) == 1 else "\n".join(f"{t['role']}: {text_of(t)}" for t in turns)


def shorten(text: str, limit: int) -> str:
    """Cut a text, saying how much is missing."""
    return text if len(text) <= limit else f"{text[:limit]}… (+{len(text) - limit} characters)"
