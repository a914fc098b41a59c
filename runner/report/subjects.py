"""What each model's answers cost: tokens, latency, money, and how many are missing or cut off."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from runner.evaluation.scores import SubjectScores
from runner.report.evidence import Evidence, Told
from runner.report.metrics import ordered
from runner.report.parts import Subject


def subjects_of(evidence: Evidence) -> list[Subject]:
    """Return every model that was scored."""
    return [_subject(name, evidence) for name in ordered(evidence.scores)]


def title_of(name: str, champion: str | None) -> str:
    """Say a subject for people."""
    match name:
        case "tuned":
            return "this"
        case "champion" if champion:
            return f"champion {champion}"
    kind, _, what = name.partition(":")
    return what if kind == "version" else name


def _subject(name: str, evidence: Evidence) -> Subject:
    scores = evidence.scores.subjects[name]
    told = evidence.answers.get(name, Told({}))
    measured = evidence.records["score"].metrics.get("latency", {}) if "score" in evidence.records else {}
    return Subject(
        name=name,
        title=title_of(name, evidence.champion),
        answered=scores.n,
        errors=told.errors,
        cut_off=sum(answer.get("finish_reason") == "length" for answer in told.stored),
        prompt_tokens=_mean("prompt_tokens", told),
        answer_tokens=_mean("completion_tokens", told),
        latencies=sorted(measured.get(name, ())),
        seconds=told.seconds,
        **_measured(scores),
    )


def _mean(name: str, told: Told) -> float | None:
    counts = [answer[name] for answer in told.stored if name in answer]
    return fmean(counts) if counts else None


def _measured(scores: SubjectScores) -> Mapping[str, Any]:
    return {name: scores.values.get(name) for name in ("latency_p50", "latency_p95", "cost_per_1000")}
