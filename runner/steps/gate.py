"""GATE: scores -> one verdict per condition of the spec, and whether they allow a release."""

from __future__ import annotations

from runner.evaluation.calibration import require_agreement
from runner.evaluation.gates import judge, overall
from runner.evaluation.scores import Scores
from runner.evaluation.warnings import warnings_of
from runner.steps.context import StepContext, StepResult, to_json


def run(context: StepContext) -> StepResult:
    """Judge the stored scores; fails closed when something is missing."""
    evaluation = context.subject.spec.evaluation
    scores = Scores.model_validate_json(context.registry.read(context.output("score", "scores")))
    require_agreement(evaluation.gates, scores)
    champion = context.champion.version if context.champion else None
    verdicts = judge(evaluation.gates, scores, champion)
    outcome = overall(verdicts)
    released = outcome == "PASS" or (outcome == "INCONCLUSIVE" and evaluation.on_inconclusive == "warn")
    plain = [verdict.model_dump(mode="json") for verdict in verdicts]
    stored_verdicts = context.registry.put_bytes(to_json(plain))
    warnings = warnings_of(scores, evaluation.gates, context.records["train"].metrics)
    told = {"warnings": warnings} if warnings else {}
    metrics = {"outcome": outcome, "release": released, "verdicts": plain, **told}
    return StepResult({"verdicts": stored_verdicts}, metrics)
