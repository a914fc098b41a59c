"""SCORE: test references and stored answers -> scores of base, tuned and champion, row by row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from runner.evaluation.cut_off import mark_cut_off
from runner.evaluation.metrics import score_answers
from runner.evaluation.scores import Scores, SubjectScores
from runner.inference.probe import percentiles
from runner.plan.decision import answered
from runner.registry.facts import Record
from runner.spec.models import Spec
from runner.steps.beside import beside_rows, compared_answers, compared_rows, cut_off_rows
from runner.steps.context import StepContext, StepResult, to_json
from runner.steps.probing import probe_models


def run(context: StepContext) -> StepResult:
    """Score every subject that answered, on the same rows with the same contract."""
    spec, contract = context.subject.spec, context.contract()
    rows = compared_rows(context.rows("test"), contract)
    subjects = {
        subject: mark_cut_off(
            score_answers(rows, _answers(context, record), spec.evaluation.metrics, spec.dataset.label, contract),
            cut_off_rows(context, record, rows),
        )
        for subject, record in answered(context.records).items()
    }
    seconds = probe_models(context)
    subjects = {name: _with_latency(score, seconds.get(name, []), spec) for name, score in subjects.items()}
    scores = Scores(rows=[row.id for row in rows], subjects=subjects, **beside_rows(context, rows, contract))
    stored = context.registry.put_bytes(to_json(scores.model_dump(mode="json")))
    values: dict[str, Any] = {name: dict(score.values) for name, score in subjects.items()}
    return StepResult({"scores": stored}, values | ({"latency": seconds} if seconds else {}))


def _with_latency(score: SubjectScores, seconds: Sequence[float], spec: Spec) -> SubjectScores:
    found = {name: value for name, value in percentiles(seconds).items() if name in spec.evaluation.metrics}
    return score.model_copy(update={"values": {**score.values, **found}})


def _answers(context: StepContext, record: Record) -> dict[str, str]:
    data = compared_answers(context.registry.read(record.outputs["answers"]), context.contract())
    return {answer["prompt_id"]: answer["text"] for answer in map(json.loads, data.splitlines())}
