"""SCORE: test references and stored answers -> scores of base, tuned and every rival, row by row."""

from __future__ import annotations

import json
from collections.abc import Mapping

from runner.evaluation.fit import FIT_METRICS, fit_values
from runner.evaluation.metrics import score_answers
from runner.evaluation.scores import Scores
from runner.evaluation.stored import Answers, read_answers
from runner.plan.decision import SUBJECTS
from runner.steps.context import StepContext, StepResult


def run(context: StepContext) -> StepResult:
    """Score every subject that answered, on the same rows with the same contract."""
    spec, contract = context.subject.spec, context.contract()
    rows = context.rows("test")
    subjects = {
        subject: score_answers(
            rows,
            _answers(context, subject),
            spec.evaluation.metrics,
            spec.dataset.label,
            contract,
            custom=spec.evaluation.custom_metrics,
            measures=_measures(context, subject),
        )
        for subject, step in SUBJECTS.items()
        if step in context.records
    }
    groups = [row.group or row.id for row in rows] if any(row.group for row in rows) else None
    scores = Scores(rows=[row.id for row in rows], groups=groups, subjects=subjects)
    # Without indentation: that takes the slow encoder, and there are numbers for every row.
    plain = json.dumps(scores.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, allow_nan=False)
    stored = context.registry.put_bytes(plain.encode() + b"\n")
    return StepResult({"scores": stored}, {name: dict(score.values) for name, score in subjects.items()})


def _answers(context: StepContext, subject: str) -> Answers:
    outputs = context.records[SUBJECTS[subject]].outputs
    errors = context.registry.read(outputs["errors"]) if "errors" in outputs else None
    return read_answers(context.registry.read(outputs["answers"]), errors)


def _measures(context: StepContext, subject: str) -> Mapping[str, float]:
    """Return what is known of the model itself."""
    wanted = FIT_METRICS.intersection(context.subject.spec.evaluation.metrics)
    return fit_values(wanted, context.records["train"].metrics) if wanted and subject == "tuned" else {}
