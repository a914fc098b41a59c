"""`Report` -> a short text for a terminal: the decision, the gates, what became of the rows, what to do."""

from __future__ import annotations

from runner.report.columns import columns
from runner.report.model import Report
from runner.report.text import printable
from runner.report.words import changes_words, decision_words, gate_words, headline_words, obstacle_words


def render_text(report: Report) -> str:
    """Render what decides; Markdown and HTML have the rest."""
    header = ("verdict", "gate", "measured", "95 % bounds")
    gates = gate_words(report)
    rows = [(gate.verdict.split()[-1], f"{gate.gate} {gate.required}", gate.measured, gate.interval) for gate in gates]
    table = columns([header, *(tuple(map(printable, row)) for row in rows)])
    whys = [f"{gate.verdict.split()[-1]}: {gate.gate} {gate.required}: {gate.why}" for gate in gates]
    changes = f"{changes_words(report.changes)} against base"
    if report.champion_changes:
        changes += f"; {changes_words(report.champion_changes)} against champion {report.champion}"
    # The gate in the way stands above a primary metric that may look well.
    told = [": ".join(filter(None, (decision_words(report), obstacle_words(report))))]
    told += [headline_words(report), "", *table, ""]
    told += [why for why, gate in zip(whys, gates, strict=True) if not gate.verdict.endswith("PASS")]
    told += [f"{changes} ({report.changes.metric}).", *report.notes, *(finding.message for finding in report.findings)]
    return "\n".join(printable(line) for line in [*told, report.next_step]) + "\n"
