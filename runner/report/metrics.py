"""Scores -> the headline and every metric of every subject, with bounds, differences and format compliance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runner.errors import GituneError
from runner.evaluation.catalog import FORMAT_COMPLIANCE, Metric, metric_of
from runner.evaluation.compare import Gain, compare, scores_of
from runner.evaluation.intervals import interval
from runner.evaluation.scores import Scores
from runner.report.evidence import Evidence
from runner.report.model import FormatCompliance, Headline, MetricDifference, MetricValue, MetricValues


def headline(evidence: Evidence) -> Headline:
    """Say what became of the primary metric.

    Raises:
        GituneError: when base or tuned was not scored, or on other rows.
    """
    scores, metric = evidence.scores.subjects, evidence.spec.evaluation.primary
    tuned, base = scores_of("tuned", scores), scores_of("base", scores)
    gain = compare(metric, tuned, "base", base)
    return Headline(
        metric=metric,
        unit=metric_of(metric, evidence.spec.evaluation.custom_metrics).unit,
        base=base.values[metric],
        champion=scores["champion"].values.get(metric) if "champion" in scores else None,
        tuned=tuned.values[metric],
        difference=gain.difference,
        low=gain.low,
        high=gain.high,
        n=gain.n,
        method=gain.method,
    )


def metric_values(evidence: Evidence, head: Headline) -> list[MetricValues]:
    """Return every metric of the tuned model; what the headline says already is not computed again."""
    custom = evidence.spec.evaluation.custom_metrics
    return [
        _values(name, metric_of(name, custom), evidence.scores, head)
        for name in evidence.scores.subjects["tuned"].values
    ]


def _values(name: str, metric: Metric, scores: Scores, head: Headline) -> MetricValues:
    subjects = {
        subject: _value(name, scores, subject) for subject, found in scores.subjects.items() if name in found.values
    }
    known = {"base": _difference(head)} if name == head.metric else {}
    rivals = [subject for subject in subjects if subject not in {"tuned", *known}]
    return MetricValues(
        metric=name,
        meaning=metric.meaning,
        unit=metric.unit,
        better=metric.better,
        subjects=subjects,
        differences=known | {rival: _between(name, scores, rival, subjects) for rival in rivals},
    )


def _value(name: str, scores: Scores, subject: str) -> MetricValue:
    found = scores.subjects[subject]
    low, high, method = interval(name, scores, subject) or (None, None, "")
    return MetricValue(value=found.values[name], low=low, high=high, method=method, apart=found.apart.get(name))


def _between(name: str, scores: Scores, rival: str, subjects: Mapping[str, MetricValue]) -> MetricDifference:
    try:
        gain = compare(name, scores.subjects["tuned"], rival, scores.subjects[rival])
    except GituneError:
        # A measure has no rows to compare; its difference is told without bounds.
        return MetricDifference(value=subjects["tuned"].value - subjects[rival].value)
    return _difference(gain)


def _difference(gain: Gain | Headline) -> MetricDifference:
    return MetricDifference(value=gain.difference, low=gain.low, high=gain.high, n=gain.n, method=gain.method)


def compliance(scores: Scores) -> Iterator[FormatCompliance]:
    """Yield how every subject kept to the output format, where there is one."""
    for subject in ordered(scores):
        found = scores.subjects[subject]
        if FORMAT_COMPLIANCE in found.values:
            kinds = sorted(found.violations.items(), key=lambda item: (-item[1], item[0]))
            yield FormatCompliance(
                subject=subject, value=found.values[FORMAT_COMPLIANCE], n=found.n, violations=dict(kinds)
            )


def ordered(scores: Scores) -> list[str]:
    """Return the subjects in the order of reports: base, champion, tuned, then the others."""
    first = [name for name in ("base", "champion", "tuned") if name in scores.subjects]
    return first + sorted(scores.subjects.keys() - {*first})
