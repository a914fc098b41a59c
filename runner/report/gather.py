"""The records that a spec has in the registry -> its `Report`."""

from __future__ import annotations

import json
from typing import Any

from runner.data.rows import rows_from_jsonl
from runner.errors import UsageError
from runner.evaluation.gates import Verdict
from runner.evaluation.scores import Scores
from runner.plan.decision import answered
from runner.plan.walk import Walk
from runner.registry.facts import Record, Step
from runner.report.build import build_report
from runner.report.model import Report

NEEDED: tuple[Step, ...] = ("prepare", "train", "predict_base", "predict_tuned", "score", "gate")


def gather_report(walk: Walk) -> Report:
    """Read what was evaluated and build the report.

    Args:
        walk: a walk that has looked at every step.

    Raises:
        UsageError: when the spec as it is now has not been evaluated yet.
        RegistryError: when an artifact is missing or damaged.
    """
    spec = walk.subject.spec
    missing = [step for step in NEEDED if step not in walk.records]
    if missing:
        raise UsageError(
            f"{spec.name} {spec.version} has not been evaluated yet: no {missing[0]}",
            hint="`gitune apply --through evaluate` does it",
        )
    scores = Scores.model_validate(_json(walk, "score", "scores")).subjects
    champion = walk.champion
    return build_report(
        spec,
        records=walk.records,
        scores=scores,
        verdicts=[Verdict.model_validate(verdict) for verdict in _json(walk, "gate", "verdicts")],
        rows=rows_from_jsonl(_bytes(walk, "prepare", "test")),
        answers={subject: _answers(walk, record) for subject, record in answered(walk.records).items()},
        curve=_json(walk, "train", "curve"),
        training=_training_lines(walk),
        card=_json(walk, "prepare", "card"),
        champion=champion.version if champion else None,
        commit=walk.delivery.commit_of(walk.subject.loaded),
        approval=walk.approval,
        live=walk.live is not None and walk.live.version == spec.version,
    )


def _bytes(walk: Walk, step: Step, name: str) -> bytes:
    return walk.reader.read(walk.records[step].outputs[name])


def _json(walk: Walk, step: Step, name: str) -> Any:
    return json.loads(_bytes(walk, step, name))


def _training_lines(walk: Walk) -> list[dict[str, Any]]:
    """Read every step of the training; records of gitune 0.1 kept the curve alone."""
    if "metrics" not in walk.records["train"].outputs:
        return []
    return [json.loads(line) for line in _bytes(walk, "train", "metrics").splitlines()]


def _answers(walk: Walk, record: Record) -> dict[str, str]:
    answers = map(json.loads, walk.reader.read(record.outputs["answers"]).splitlines())
    return {answer["prompt_id"]: answer["text"] for answer in answers}
