"""SCORE: test references and stored answers -> scores of base, tuned and champion, row by row."""

from __future__ import annotations

import json

from runner.evaluation.cut_off import mark_cut_off
from runner.evaluation.metrics import score_answers
from runner.evaluation.scores import Scores
from runner.plan.decision import SUBJECTS
from runner.steps.beside import beside_rows, compared_answers, compared_rows, cut_off_rows
from runner.steps.context import StepContext, StepResult, to_json


def run(context: StepContext) -> StepResult:
    """Score every subject that answered, on the same rows with the same contract."""
    spec, contract = context.subject.spec, context.contract()
    rows = compared_rows(context.rows("test"), contract)
    subjects = {
        subject: mark_cut_off(
            score_answers(rows, _answers(context, subject), spec.evaluation.metrics, spec.dataset.label, contract),
            cut_off_rows(context, step, rows),
        )
        for subject, step in SUBJECTS.items()
        if step in context.records
    }
    scores = Scores(rows=[row.id for row in rows], subjects=subjects, **beside_rows(context, rows, contract))
    stored = context.registry.put_bytes(to_json(scores.model_dump(mode="json")))
    return StepResult({"scores": stored}, {name: dict(score.values) for name, score in subjects.items()})


def _answers(context: StepContext, subject: str) -> dict[str, str]:
    data = compared_answers(context.registry.read(context.output(SUBJECTS[subject], "answers")), context.contract())
    return {answer["prompt_id"]: answer["text"] for answer in map(json.loads, data.splitlines())}
