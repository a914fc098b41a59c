"""The tables of a comment that are always open: metrics, and how the output format was kept."""

from __future__ import annotations

from collections.abc import Iterator

from runner.evaluation.words import percent
from runner.report.escape import inline
from runner.report.figures import change, figure
from runner.report.markdown_section import Section
from runner.report.model import MetricValues, Report
from runner.report.table import table

KINDS = 3
"""Kinds of format violations that are told, the commonest first."""
_LENGTHS = (50, 20, 5)


def metrics_section(report: Report) -> Section:
    """Every metric of every subject, and the difference to each rival."""
    names = [subject.name for subject in report.subjects if subject.name != "tuned"]
    titles = {subject.name: inline(subject.title, 60) for subject in report.subjects}
    header = ["metric", *(titles[name] for name in names), "this", *(f"Δ {titles[name]}" for name in names)]
    rows = [_metric(values, names) for values in report.metrics]
    apart = list(_apart(report, names))

    def write(most: int) -> str:
        return "\n\n".join([table(header, rows, most), *(["\n".join(apart[:most])] if apart else [])])

    return Section("the metrics", 0, write, _LENGTHS)


def _metric(values: MetricValues, names: list[str]) -> list[str]:
    """One row; shares carry their sign, and where less is better the name says so."""
    told = {name: figure(found.value, values.unit) for name, found in values.subjects.items()}
    gains = {name: change(found.value, values.unit) for name, found in values.differences.items()}
    name = inline(values.metric, 80) + (" (lower is better)" if values.better == "lower" else "")
    return [
        name,
        *(told.get(rival, "") for rival in names),
        told.get("tuned", ""),
        *(gains.get(rival, "") for rival in names),
    ]


def _apart(report: Report, names: list[str]) -> Iterator[str]:
    """Say every metric again without the rows that have a near neighbour among the training rows."""
    titles = {subject.name: inline(subject.title, 60) for subject in report.subjects}
    for values in report.metrics:
        told = {name: found.apart for name, found in values.subjects.items() if found.apart is not None}
        if "tuned" in told:
            shown = ", ".join(
                f"{titles[name]} {figure(told[name], values.unit)}" for name in [*names, "tuned"] if name in told
            )
            yield f"- {inline(values.metric, 80)} without the {report.near_rows} rows near training rows: {shown}"


def compliance_section(report: Report) -> Section:
    """How each subject kept to the output format, with the commonest violations."""
    titles = {subject.name: inline(subject.title, 60) for subject in report.subjects}
    rows = [
        [
            titles.get(found.subject, inline(found.subject, 60)),
            f"{percent(found.value)} of {found.n}",
            ", ".join(f"{inline(kind, 40)} {count}" for kind, count in [*found.violations.items()][:KINDS]) or "none",
        ]
        for found in report.compliance
    ]
    header = ["output format", "compliant", f"{KINDS} commonest violations (answers)"]
    return Section("format compliance", 1, lambda most: table(header, rows, most), _LENGTHS)
