"""(scores, verdicts, rows, answers, records) -> `Report`. Pure: everything is already loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from runner.data.prompts import prompt_of, reference_of
from runner.data.rows import Row, text_of
from runner.evaluation.catalog import FORMAT_COMPLIANCE
from runner.evaluation.compare import compare, scores_of, value_of
from runner.evaluation.gates import Outcome, Verdict, overall
from runner.evaluation.scores import SubjectScores
from runner.plan.rulings import name_of
from runner.registry.facts import Record, Ruling, Step
from runner.report.model import (
    CurvePoint,
    Example,
    Finding,
    FormatCompliance,
    Headline,
    MetricValues,
    Provenance,
    Report,
    RowChanges,
)
from runner.spec.models import Spec
from runner.training.diagnosis import diagnose, explain_best

BETTER, WORSE = 5, 10
"""Examples in a report: what broke matters more."""
INPUT_LIMIT, ANSWER_LIMIT = 600, 400
"""Characters of an example that are kept."""

Scores = Mapping[str, SubjectScores]
Answers = Mapping[str, Mapping[str, str]]
"""Text by subject and prompt id."""


def build_report(
    spec: Spec,
    *,
    records: Mapping[Step, Record],
    scores: Scores,
    verdicts: Sequence[Verdict],
    rows: Sequence[Row],
    answers: Answers,
    curve: Sequence[Mapping[str, Any]],
    training: Sequence[dict[str, Any]] = (),
    card: Mapping[str, Any],
    champion: str | None,
    commit: str | None,
    live: bool = False,
    approval: Ruling | None = None,
) -> Report:
    """Build the report of one evaluation.

    Args:
        spec: what was evaluated.
        records: records of the steps that led here.
        scores: scores of `base`, `tuned` and, if there is one, `champion`.
        verdicts: one per gate.
        rows: the test split, in the order it was scored.
        answers: texts of `base` and `tuned`.
        curve: points of the loss curve.
        training: every step and evaluation of the training.
        card: the data card.
        champion: the champion's version.
        commit: the commit that holds this spec; None while it is not committed.
        live: whether this version is deployed already.
        approval: who approved an INCONCLUSIVE of these scores.

    Raises:
        GituneError: when base or tuned was not scored, or on other rows.
    """
    outcome = overall(verdicts)
    let_through = spec.evaluation.on_inconclusive == "warn" or approval is not None
    releasable = outcome == "PASS" or (outcome == "INCONCLUSIVE" and let_through)
    metric, right = _right_or_wrong(spec.evaluation.primary, scores)
    best = records["train"].metrics.get("best_epoch") if "train" in records else None
    return Report(
        name=spec.name,
        version=spec.version,
        commit=commit,
        champion=champion,
        outcome=outcome,
        releasable=releasable,
        headline=_headline(spec.evaluation.primary, scores),
        verdicts=list(verdicts),
        metrics=[_values(name, scores) for name in scores["tuned"].values],
        compliance=list(_compliance(scores)),
        changes=_changes(metric, right),
        better=_examples(rows, answers, right, (0, 1), BETTER),
        worse=_examples(rows, answers, right, (1, 0), WORSE),
        curve=[_point(point) for point in curve],
        best_epoch=best,
        kept=explain_best(training, spec.training.num_epochs),
        findings=list(_findings(spec, training, records)),
        data=dict(_facts(card)),
        provenance=_provenance(spec, records, commit),
        next_step=_live(spec) if live else _next_step(spec, outcome, approval, releasable=releasable),
    )


def _findings(spec: Spec, training: Sequence[dict[str, Any]], records: Mapping[Step, Record]) -> Iterator[Finding]:
    longest = records["train"].metrics.get("longest_answer_tokens", 0) if "train" in records else 0
    room = spec.evaluation.generation.max_new_tokens
    for finding in diagnose(training, spec.training, longest_answer=longest, max_new_tokens=room):
        yield Finding.model_validate(asdict(finding))


def _headline(metric: str, scores: Scores) -> Headline:
    tuned, base = scores_of("tuned", scores), scores_of("base", scores)
    gain = compare(metric, tuned, "base", base)
    values = _values(metric, scores)
    return Headline(
        metric=metric,
        base=values.base,
        champion=values.champion,
        tuned=values.tuned,
        difference=gain.difference,
        low=gain.low,
        high=gain.high,
        n=gain.n,
        method=gain.method,
    )


def _values(metric: str, scores: Scores) -> MetricValues:
    champion = value_of(metric, "champion", scores["champion"]) if "champion" in scores else None
    base, tuned = (value_of(metric, name, scores_of(name, scores)) for name in ("base", "tuned"))
    return MetricValues(metric=metric, base=base, champion=champion, tuned=tuned)


def _compliance(scores: Scores) -> Iterator[FormatCompliance]:
    for subject in ("base", "champion", "tuned"):
        if subject in scores and FORMAT_COMPLIANCE in scores[subject].values:
            found = scores[subject]
            ordered = sorted(found.violations.items(), key=lambda item: (-item[1], item[0]))
            yield FormatCompliance(
                subject=subject, value=found.values[FORMAT_COMPLIANCE], n=found.n, violations=dict(ordered)
            )


def _right_or_wrong(primary: str, scores: Scores) -> tuple[str, list[tuple[int, int]]]:
    """Return whether base and tuned have each row right: by the primary metric, else by whole or labelled answers."""
    base, tuned = scores["base"], scores["tuned"]
    metric = next((name for name in (primary, "exact_match") if name in tuned.rows and name in base.rows), None)
    if metric is not None:
        return metric, [
            (int(a == 1.0), int(b == 1.0)) for a, b in zip(base.rows[metric], tuned.rows[metric], strict=True)
        ]
    labels = zip(base.labels, tuned.labels, strict=True)
    return "label", [(int(a[0] == a[1]), int(b[0] == b[1])) for a, b in labels]


def _changes(metric: str, right: Sequence[tuple[int, int]]) -> RowChanges:
    fixed, broken = right.count((0, 1)), right.count((1, 0))
    return RowChanges(metric=metric, fixed=fixed, broken=broken, unchanged=len(right) - fixed - broken)


def _examples(
    rows: Sequence[Row], answers: Answers, right: Sequence[tuple[int, int]], wanted: tuple[int, int], most: int
) -> list[Example]:
    chosen = [row for row, result in zip(rows, right, strict=True) if result == wanted][:most]
    return [_example(row, answers) for row in chosen]


def _example(row: Row, answers: Answers) -> Example:
    prompt = prompt_of(row)
    turns = [turn for turn in prompt.messages if turn["role"] != "system"]
    asked = turns[0]["content"] if len(turns) == 1 else "\n".join(f"{t['role']}: {text_of(t)}" for t in turns)
    return Example(
        row=row.id,
        input=shorten(asked, INPUT_LIMIT),
        expected=shorten(reference_of(row), ANSWER_LIMIT),
        base=shorten(answers["base"][prompt.id], ANSWER_LIMIT),
        tuned=shorten(answers["tuned"][prompt.id], ANSWER_LIMIT),
    )


def shorten(text: str, limit: int) -> str:
    """Cut a text, saying how much is missing."""
    return text if len(text) <= limit else f"{text[:limit]}… (+{len(text) - limit} characters)"


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
        reproduce=f"{checkout}gitune apply {spec.name} --through evaluate",
    )


def _live(spec: Spec) -> str:
    return f"{spec.version} is live as {spec.deployment.alias}."


def _next_step(spec: Spec, outcome: Outcome, approval: Ruling | None, *, releasable: bool) -> str:
    target = f"release {spec.version} and point {spec.deployment.alias} to it"
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
