"""`Evidence` -> `Report`. Pure: everything is already loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from runner.evaluation.gates import Outcome, overall
from runner.evaluation.scores import Scores
from runner.plan.rulings import name_of
from runner.registry.facts import Record, Ruling, Step
from runner.report.confusion import confusions
from runner.report.evidence import Evidence
from runner.report.metrics import compliance, headline, metric_values, ordered
from runner.report.model import Report
from runner.report.parts import Approval, CurvePoint, DataFinding, Finding, Provenance, TrainingSummary
from runner.report.rows import count_changes, judge_rows, report_rows
from runner.report.slices import slice_values
from runner.report.subjects import subjects_of, title_of
from runner.spec.models import Spec
from runner.training.diagnosis import diagnose, explain_best


def build_report(evidence: Evidence) -> Report:
    """Build the report of one evaluation.

    Raises:
        GituneError: when base or tuned was not scored, or on other rows.
    """
    spec, records, scores = evidence.spec, evidence.records, evidence.scores
    outcome = overall(evidence.verdicts)
    head, judged, releasable = headline(evidence), judge_rows(evidence), _releasable(outcome, evidence)
    return Report(
        name=spec.name,
        version=spec.version,
        commit=evidence.commit,
        champion=evidence.champion,
        outcome=outcome,
        releasable=releasable,
        decision=_decision(outcome, evidence, releasable=releasable),
        headline=head,
        verdicts=list(evidence.verdicts),
        subjects=subjects_of(evidence),
        metrics=metric_values(evidence, head),
        compliance=list(compliance(scores)),
        changes=count_changes(judged, "base"),
        champion_changes=count_changes(judged, "champion") if "champion" in judged.values else None,
        rows=report_rows(evidence, judged),
        near_rows=sum(scores.near),
        confusion=list(confusions(scores)),
        slices=slice_values(scores.slices, judged),
        curve=[_point(point) for point in evidence.curve],
        best_epoch=_best_epoch(records),
        kept=explain_best(evidence.training, spec.training.num_epochs),
        training=_training(spec, records),
        findings=list(_findings(evidence)),
        data=dict(_facts(evidence.card)),
        data_findings=list(_data_findings(evidence.card)),
        changed=list(evidence.changed),
        changed_since=evidence.champion,
        history=list(evidence.history),
        wear=evidence.wear,
        approval=_approval(evidence.approval),
        notes=list(_notes(scores, evidence.champion)),
        provenance=_provenance(spec, records, evidence.commit),
        next_step=_next_step(evidence, outcome, releasable=releasable),
    )


def _releasable(outcome: Outcome, evidence: Evidence) -> bool:
    let_through = evidence.spec.evaluation.on_inconclusive == "warn" or evidence.approval is not None
    return outcome == "PASS" or (outcome == "INCONCLUSIVE" and let_through)


def _decision(outcome: Outcome, evidence: Evidence, *, releasable: bool) -> str:
    if evidence.live:
        return "live already"
    if outcome == "PASS":
        return "merge"
    if releasable:
        return "may be merged on thin evidence"
    return "do not merge" if outcome == "FAIL" else "do not merge yet"


def _findings(evidence: Evidence) -> Iterator[Finding]:
    spec, records = evidence.spec, evidence.records
    longest = records["train"].metrics.get("longest_answer_tokens", 0) if "train" in records else 0
    room = spec.evaluation.generation.max_new_tokens
    for finding in diagnose(evidence.training, spec.training, longest_answer=longest, max_new_tokens=room):
        yield Finding.model_validate(asdict(finding))


def _best_epoch(records: Mapping[Step, Record]) -> float | None:
    return records["train"].metrics.get("best_epoch") if "train" in records else None


def _training(spec: Spec, records: Mapping[Step, Record]) -> TrainingSummary | None:
    if "train" not in records:
        return None
    measured = records["train"].metrics
    return TrainingSummary(
        method=spec.training.method,
        epochs=measured.get("epochs", spec.training.num_epochs),
        best_epoch=measured.get("best_epoch"),
        **{name: measured.get(name) for name in ("steps", "train_loss", "validation_loss", "seconds", "device")},
    )


def _data_findings(card: Mapping[str, Any]) -> Iterator[DataFinding]:
    found = card.get("findings", {})
    samples = {(one["code"], one["severity"]): one for one in reversed(found.get("samples", ()))}
    for kind in found.get("counts", ()):
        first = samples.get((kind["code"], kind["severity"]), {})
        told = {name: str(first.get(name, "")) for name in ("message", "where", "hint")}
        yield DataFinding(code=kind["code"], severity=kind["severity"], count=kind["count"], **told)


def _approval(ruling: Ruling | None) -> Approval | None:
    return None if ruling is None else Approval(who=name_of(ruling), reason=ruling.reason, at=ruling.at)


def _notes(scores: Scores, champion: str | None) -> Iterator[str]:
    """Say which rows a comparison leaves out, and that it does."""
    for name in ordered(scores):
        if missing := len(scores.subjects[name].unanswered):
            rows = "row that" if missing == 1 else "rows that"
            left = "is" if missing == 1 else "are"
            who = "this model" if name == "tuned" else title_of(name, champion)
            yield f"{missing} {rows} {who} could not answer {left} left out of what compares with it."


def _point(point: Mapping[str, Any]) -> CurvePoint:
    return CurvePoint(**{name: point[name] for name in CurvePoint.model_fields if name in point})


def _facts(card: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Say the data card in a few lines; the card itself is an artifact of `prepare`."""
    if rows := card.get("rows"):
        yield "rows", ", ".join(f"{part} {count}" for part, count in rows.items() if count)
    if split := card.get("split"):
        by = ", ".join(f"{part} by {how}" for part, how in split["by"].items())
        yield "split", f"{by}; seed {split['seed']}"
    if formats := card.get("formats"):
        yield "formats", ", ".join(f"{name} {count}" for name, count in formats.items())
    if labels := card.get("labels"):
        field = f" ({labels['field']})" if labels["field"] else ""
        for part, counts in labels["counts"].items():
            yield f"labels in {part}{field}", ", ".join(f"{label} {count}" for label, count in counts.items())
    if "findings" in card:
        found = card["findings"]["counts"]
        yield "findings", ", ".join(f"{kind['code']} {kind['count']} ({kind['severity']})" for kind in found) or "none"


def _provenance(spec: Spec, records: Mapping[Step, Record], commit: str | None) -> Provenance:
    digests = {name: artifact.digest for record in records.values() for name, artifact in record.outputs.items()}
    told = {name: digests[name] for name in ("train", "test", "adapter", "scores") if name in digests}
    newest = max(records.values(), key=lambda record: record.finished, default=None)
    source = records.get("train", newest)
    checkout = f"git checkout {commit} && " if commit else ""
    return Provenance(
        base_model=spec.base_model,
        engine=spec.engine,
        seed=spec.training.seed,
        keys={step: record.key for step, record in records.items()},
        digests=told,
        environment=dict(source.environment) if source else {},
        scored_with=dict(records["score"].environment) if "score" in records else {},
        reproduce=f"{checkout}gitune apply {spec.name} --through evaluate",
    )


def _next_step(evidence: Evidence, outcome: Outcome, *, releasable: bool) -> str:
    spec, approval = evidence.spec, evidence.approval
    target = f"release {spec.version} and point {spec.deployment.alias} to it"
    if evidence.live:
        return f"{spec.version} is live as {spec.deployment.alias}."
    if outcome == "PASS":
        return f"Merge to {target}."
    if releasable and approval is not None:
        return f"Evidence is thin, and {name_of(approval)} approved it ({approval.reason}): merge to {target}."
    if releasable:
        return f"Evidence is thin, but the spec only warns about that: merge to {target}, or add test rows first."
    if outcome == "INCONCLUSIVE":
        return (
            "Add test rows or train a better model; the gate table says how many rows would decide. "
            f"Or take the risk: `gitune gate approve {spec.name} --reason …`."
        )
    return "Change the data or the training; the gate table says what is missing. Production stays as it is."
