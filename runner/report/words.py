"""The sentences of a report that every rendering says alike: headline, what became of rows, what a gate asks."""

from __future__ import annotations

from typing import NamedTuple

from runner.evaluation.verdicts import SliceVerdict, Verdict
from runner.report.figures import bounds, change, figure
from runner.report.model import Report, RowChanges
from runner.report.parts import Unit

ICONS = {"PASS": "✅", "FAIL": "❌", "INCONCLUSIVE": "⚠️"}


class GateWords(NamedTuple):
    """One gate in words, as every table of gates shows it."""

    gate: str
    """What is compared."""
    required: str
    """What is asked of it."""
    measured: str
    """What was measured."""
    interval: str
    """How far that may be from the truth."""
    verdict: str
    """The verdict with its sign."""
    why: str
    """Why, and what would change it."""


def decision_words(report: Report) -> str:
    """Say what to do and why, to open a report with: `Merge: bot 1.1.0 passes its 3 gates`."""
    decided = sum(verdict.outcome == report.outcome for verdict in report.verdicts)
    all_gates = len(report.verdicts)
    of = f"{decided} of {all_gates} gates"
    said = {
        "PASS": f"passes {'its gate' if all_gates == 1 else f'all {all_gates} gates'}",
        "FAIL": f"fails {of}",
        "INCONCLUSIVE": f"has too little evidence for {of}",
    }
    decision = report.decision[:1].upper() + report.decision[1:]
    return f"{decision}: {report.name} {report.version} {said[report.outcome]}"


def obstacle_words(report: Report) -> str:
    """Say which gate stands in the way, for a primary metric may look well beside it; nothing where none does."""
    found = next((gate for gate in gate_words(report) if not gate.verdict.endswith("PASS")), None)
    return f"{found.gate} {found.required}".rstrip() + f": {found.measured}" if found else ""


def headline_words(report: Report) -> str:
    """Say the primary metric: `exact_match 62.0 % (base), 75.0 % (champion) → 81.0 % (+19.0 points, …, n = 100)`."""
    head = report.headline
    gain = change(head.difference, head.unit) + (" points" if head.unit == "share" else "")
    champion = "" if head.champion is None else f", {figure(head.champion, head.unit)} (champion)"
    gain += " against base" if champion else ""
    sure = "measured once"
    if head.low is not None:
        sure = f"one-sided 95 % bounds {change(head.low, head.unit)} and {change(head.high, head.unit)}"
    values = f"{figure(head.base, head.unit)} (base){champion} → {figure(head.tuned, head.unit)}"
    return f"{head.metric} {values} ({gain}, {sure}, n = {head.n})"


def changes_words(changes: RowChanges) -> str:
    """Say what became of the rows: `19 fixed, 2 broken, 77 unchanged`."""
    better, worse, same = ("better", "worse", "equal") if changes.graded else ("fixed", "broken", "unchanged")
    return f"{changes.fixed} {better}, {changes.broken} {worse}, {changes.unchanged} {same}"


def unit_of(metric: str, report: Report) -> Unit:
    """Return the unit of a metric of the report."""
    return next((found.unit for found in report.metrics if found.metric == metric), "share")


class SliceWords(NamedTuple):
    """What a gate with a slice found in the rows of one value."""

    value: str
    """The value, such as `fr` of `language`."""
    rows: int
    """How many rows have it."""
    measured: str
    """What was measured there."""
    interval: str
    """How far that may be from the truth, were it the only slice."""
    verdict: str
    """The verdict with its sign, or that there are too few rows."""


def slice_words(verdict: Verdict) -> list[SliceWords]:
    """Return what a gate with a slice found for each value, in words; what stands in the way comes first."""
    order = ("FAIL", "INCONCLUSIVE", "PASS", None)
    return [_slice(found, verdict) for found in sorted(verdict.slices, key=lambda one: order.index(one.outcome))]


def _slice(found: SliceVerdict, verdict: Verdict) -> SliceWords:
    unit = verdict.unit
    measured = _measured(found.value, found.rival_value, found.difference, unit)
    interval = bounds(found.low, found.high, unit, signed=found.difference is not None)
    said = f"{ICONS[found.outcome]} {found.outcome}" if found.outcome else "too few rows"
    return SliceWords(found.slice, found.n, measured, interval, said)


def _measured(value: float | None, rival: float | None, difference: float | None, unit: Unit) -> str:
    shown = figure(value, unit)
    return shown if rival is None else f"{figure(rival, unit)} → {shown} ({change(difference, unit)})"


def gate_words(report: Report) -> list[GateWords]:
    """Return every gate in words; what stands in the way comes first."""
    ordered = sorted(report.verdicts, key=lambda verdict: ("FAIL", "INCONCLUSIVE", "PASS").index(verdict.outcome))
    return [_gate(verdict) for verdict in ordered]


def _gate(verdict: Verdict) -> GateWords:
    unit, name, required = verdict.unit, verdict.metric, verdict.gate.removeprefix(f"{verdict.metric} ")
    if required == verdict.gate:
        name, required = verdict.gate, ""
    measured = _measured(verdict.value, verdict.rival_value, verdict.difference, unit)
    interval = bounds(verdict.low, verdict.high, unit, signed=verdict.difference is not None)
    return GateWords(name, required, measured, interval, f"{ICONS[verdict.outcome]} {verdict.outcome}", verdict.reason)
