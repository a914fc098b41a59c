"""SCORE: test references and stored answers -> scores of base, tuned and every rival, row by row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from runner.contract.extract import effective_answer
from runner.data.rows import Row
from runner.evaluation.cut_off import mark_cut_off
from runner.evaluation.fit import FIT_METRICS, fit_values
from runner.evaluation.graders import Graders
from runner.evaluation.metrics import score_answers
from runner.evaluation.scores import Scores, SubjectScores
from runner.evaluation.stored import Answers, read_answers
from runner.inference.probe import percentiles
from runner.plan.decision import answered
from runner.registry.facts import Record
from runner.steps.beside import Beside, beside_rows, compared_rows, cut_off_rows
from runner.steps.context import StepContext, StepResult
from runner.steps.outside import cost_of, open_graders
from runner.steps.probing import probe_models


def run(context: StepContext) -> StepResult:
    """Score every subject that answered, on the same rows with the same contract."""
    contract = context.contract()
    rows = compared_rows(context.rows("test"), contract)
    beside = beside_rows(context, rows, contract)
    seconds = probe_models(context)
    with open_graders(context) as graders:
        subjects = {
            subject: _score(context, subject, record, rows, beside, graders, seconds.get(subject, []))
            for subject, record in answered(context.records).items()
        }
        judges = graders.agreements()
    groups = [row.group or row.id for row in rows] if any(row.group for row in rows) else None
    scores = Scores(rows=[row.id for row in rows], groups=groups, subjects=subjects, judges=judges, **beside)
    # Without indentation: that takes the slow encoder, and there are numbers for every row.
    plain = json.dumps(scores.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, allow_nan=False)
    stored = context.registry.put_bytes(plain.encode() + b"\n")
    told: dict[str, Any] = {name: dict(score.values) for name, score in subjects.items()}
    agreed = {name: found.model_dump(mode="json") for name, found in judges.items()}
    beside_values = {"judges": agreed, "latency": seconds}
    return StepResult({"scores": stored}, told | {name: found for name, found in beside_values.items() if found})


def _score(
    context: StepContext,
    subject: str,
    record: Record,
    rows: Sequence[Row],
    beside: Beside,
    graders: Graders,
    seconds: Sequence[float],
) -> SubjectScores:
    spec = context.subject.spec
    answers = _answers(context, subject, record)
    scores = score_answers(
        rows,
        answers,
        _metrics(context, subject, answers),
        spec.dataset.label,
        context.contract(),
        custom=spec.evaluation.custom_metrics,
        open_grader=graders.open,
        near=beside["near"],
        measures=_measures(context, subject, record, seconds),
    )
    return mark_cut_off(scores, cut_off_rows(answers, rows)) if scores.breaks else scores


def _metrics(context: StepContext, subject: str, answers: Answers) -> list[str]:
    """Return what a model can be measured by: a released one that answers once has nothing to be consistent with."""
    metrics = context.subject.spec.evaluation.metrics
    once = subject not in ("base", "tuned") and all(len(found) == 1 for found in answers.given.values())
    return [name for name in metrics if not (once and name == "consistency")]


def _answers(context: StepContext, subject: str, record: Record) -> Answers:
    answers, contract = context.registry.read(record.outputs["answers"]), context.contract()
    errors = context.registry.read(record.outputs["errors"]) if "errors" in record.outputs else None
    # Where the format extracts, the JSON alone is compared.
    compared = partial(effective_answer, contract=contract)
    return read_answers(answers, errors, partial=_is_earlier(context, subject, record), compared=compared)


def _is_earlier(context: StepContext, subject: str, record: Record) -> bool:
    """Whether these are answers to other prompts, of a rival whose weights are lost."""
    own = record.inputs.get("rivals", {}).get(subject, {})
    return "earlier" in own or record.inputs["prompts"] != context.output("prepare", "prompts").digest


def _measures(context: StepContext, subject: str, record: Record, seconds: Sequence[float]) -> dict[str, float]:
    """Return what is known of the model itself."""
    wanted = FIT_METRICS.intersection(context.subject.spec.evaluation.metrics)
    fit = fit_values(wanted, context.records["train"].metrics) if wanted and subject == "tuned" else {}
    measures = fit | percentiles(seconds)
    return measures | cost_of(context, record, measures)
