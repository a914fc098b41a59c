"""SCORE: test references and stored answers -> scores of base, tuned and every rival, row by row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from runner.data.rows import Row
from runner.evaluation.cut_off import mark_cut_off
from runner.evaluation.fit import FIT_METRICS, fit_values
from runner.evaluation.graders import Graders
from runner.evaluation.metrics import score_answers
from runner.evaluation.scores import Scores, SubjectScores
from runner.evaluation.stored import Answers, read_answers
from runner.plan.decision import answered
from runner.registry.facts import Record
from runner.steps.beside import beside_rows, compared_answers, compared_rows, cut_off_rows
from runner.steps.context import StepContext, StepResult
from runner.steps.outside import cost_of, open_graders


def run(context: StepContext) -> StepResult:
    """Score every subject that answered, on the same rows with the same contract."""
    contract = context.contract()
    rows = compared_rows(context.rows("test"), contract)
    with open_graders(context) as graders:
        subjects = {
            subject: _score(context, subject, record, rows, graders)
            for subject, record in answered(context.records).items()
        }
        judges = graders.agreements()
    groups = [row.group or row.id for row in rows] if any(row.group for row in rows) else None
    beside = beside_rows(context, rows, contract)
    scores = Scores(rows=[row.id for row in rows], groups=groups, subjects=subjects, judges=judges, **beside)
    # Without indentation: that takes the slow encoder, and there are numbers for every row.
    plain = json.dumps(scores.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, allow_nan=False)
    stored = context.registry.put_bytes(plain.encode() + b"\n")
    told = {name: score.values for name, score in subjects.items()}
    agreed = {name: found.model_dump(mode="json") for name, found in judges.items()}
    return StepResult({"scores": stored}, told | ({"judges": agreed} if agreed else {}))


def _score(context: StepContext, subject: str, record: Record, rows: Sequence[Row], graders: Graders) -> SubjectScores:
    spec = context.subject.spec
    measures = _fit(context, subject)
    scores = score_answers(
        rows,
        _answers(context, record),
        spec.evaluation.metrics,
        spec.dataset.label,
        context.contract(),
        custom=spec.evaluation.custom_metrics,
        open_grader=graders.open,
        measures={**measures, **cost_of(context, record, measures)},
    )
    return mark_cut_off(scores, cut_off_rows(context, record, rows))


def _answers(context: StepContext, record: Record) -> Answers:
    errors = context.registry.read(record.outputs["errors"]) if "errors" in record.outputs else None
    return read_answers(compared_answers(context.registry.read(record.outputs["answers"]), context.contract()), errors)


def _fit(context: StepContext, subject: str) -> Mapping[str, float]:
    """Return what is known of the training of the model itself."""
    wanted = FIT_METRICS.intersection(context.subject.spec.evaluation.metrics)
    return fit_values(wanted, context.records["train"].metrics) if wanted and subject == "tuned" else {}
