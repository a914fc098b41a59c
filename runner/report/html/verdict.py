"""What decides: the head of the page, and the gates with their intervals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from runner.evaluation.catalog import Unit
from runner.evaluation.gates import Verdict
from runner.report.figures import bounds, figure
from runner.report.html.charts import interval_figure
from runner.report.html.markup import Html, difference, el, render, table, text
from runner.report.html.scale import Scale, scale_of
from runner.report.model import Report, RowChanges
from runner.report.words import changes_words, decision_words, unit_of

_ICONS = {"PASS": "✓", "FAIL": "✗", "INCONCLUSIVE": "?"}
_ORDER = ("FAIL", "INCONCLUSIVE", "PASS")


def head(report: Report) -> Html:
    """Make the head: the decision, and the figures it rests on, in what one glance takes in."""
    found, champion = report.headline, report.champion_changes
    against = f", against {report.champion}" if report.champion else ""
    known = "" if found.champion is None else f", {figure(found.champion, found.unit)} (champion)"
    rise = f" {figure(found.base, found.unit)} (base){known} → {figure(found.tuned, found.unit)} "
    sure = f" (95 % bounds {bounds(found.low, found.high, found.unit, signed=True)}, {found.n} test rows)"
    gain = [el("b", difference(found.difference, found.unit)), " against base" if known else ""]
    return el(
        "header",
        el("p", text(f"{report.name} {report.version}{against}", 300), class_="name"),
        el("h1", badge(report.outcome), " ", text(decision_words(report), 300)),
        el("p", el("b", text(found.metric, 80)), rise, gain, el("span", sure, class_="note"), class_="rise"),
        [_obstacle(verdict, report) for verdict in _ordered(report) if verdict.outcome != "PASS"][:3],
        el("p", _changes(report.changes, "base"), champion and (". ", _changes(champion, "the champion")), "."),
        el("p", text(report.next_step, 600), class_="next"),
        _beside(report),
        el("button", "Dark or light", type="button", id="theme", hidden=True),
        class_=f"head {report.outcome.lower()}",
    )


def _obstacle(verdict: Verdict, report: Report) -> Html:
    """Say what stands in the way, beside a primary metric that may look well."""
    unit = unit_of(verdict.metric, report)
    against = "" if verdict.rival_value is None else f"{figure(verdict.rival_value, unit)} → "
    gained = "" if verdict.difference is None else f", {difference(verdict.difference, unit)}"
    measured = f": {against}{figure(verdict.value, unit)}{gained}"
    return el("p", badge(verdict.outcome), " ", text(verdict.gate, 200), measured)


def _ordered(report: Report) -> list[Verdict]:
    """Return the gates, what stands in the way first."""
    return sorted(report.verdicts, key=lambda verdict: _ORDER.index(verdict.outcome))


def _changes(changes: RowChanges, rival: str) -> Iterable[Html]:
    said = el("b", changes_words(changes))
    shown = "broken" if rival == "base" else "champion_broken"
    yield el("a", said, href=f"#filter={shown}") if changes.broken else said
    yield render(f" against {rival}")


def _beside(report: Report) -> Html | None:
    """What a reader must know beside the decision: caveats, wear, an approval."""
    told = [*report.notes]
    if report.approval:
        told.append(f"Approved by {report.approval.who} on {report.approval.at:%Y-%m-%d}: {report.approval.reason}")
    if report.near_rows:
        told.append(f"{report.near_rows} test rows have near neighbours in the training split.")
    if report.wear:
        told.append(report.wear.message)
    return el("ul", [el("li", text(note, 600)) for note in told[:20]], class_="notes") if told else None


def badge(outcome: str) -> Html:
    """Show a verdict by word, sign and colour."""
    return el("span", f"{_ICONS[outcome]} {outcome}", class_=f"badge {outcome.lower()}")


def gates(report: Report) -> Html:
    """Make the table of gates; what stands in the way comes first."""
    ordered = _ordered(report)
    units = {verdict.metric: unit_of(verdict.metric, report) for verdict in ordered}
    scales = _scales(ordered, units)
    rows = [
        [
            badge(verdict.outcome),
            text(verdict.gate, 300),
            _measured(verdict, units[verdict.metric]),
            _interval(verdict, units[verdict.metric], scales[_axis(verdict, units)]),
            text(verdict.reason, 800),
        ]
        for verdict in ordered
    ]
    legend = "Dot: measured. Bar: one-sided 95 % bounds. Dashed line: what is required. Grey line: no difference."
    header = ["verdict", "required", "measured", "interval", "why"]
    return render(
        table(header, rows, caption="All gates must pass", class_="gates"),
        el("p", legend, class_="note"),
    )


def _axis(verdict: Verdict, units: Mapping[str, Unit]) -> str:
    """Name the axis of a gate: differences of shares have one, shares another, a latency its own."""
    compared = "value" if verdict.difference is None else "difference"
    return compared if units[verdict.metric] == "share" else f"{compared} of {verdict.metric}"


def _scales(verdicts: Sequence[Verdict], units: Mapping[str, Unit]) -> dict[str, Scale]:
    found: dict[str, list[float]] = {}
    for verdict in verdicts:
        point, zero = (verdict.value, None) if verdict.difference is None else (verdict.difference, 0.0)
        edges = (point, zero, verdict.low, verdict.high, verdict.threshold)
        found.setdefault(_axis(verdict, units), []).extend(edge for edge in edges if edge is not None)
    return {axis: scale_of(values, 6, 234) for axis, values in found.items()}


def _measured(verdict: Verdict, unit: Unit) -> Html:
    if verdict.difference is None:
        return el("b", figure(verdict.value, unit))
    rise = f"{figure(verdict.rival_value, unit)} → {figure(verdict.value, unit)}"
    return render(rise, el("br"), el("b", difference(verdict.difference, unit)))


def _interval(verdict: Verdict, unit: Unit, scale: Scale) -> Html:
    said = bounds(verdict.low, verdict.high, unit, signed=verdict.difference is not None)
    if verdict.low is None or verdict.high is None:
        return el("span", "none", class_="note")
    point = verdict.value if verdict.difference is None else verdict.difference
    words = f"{verdict.outcome}: {verdict.gate[:200]}, 95 % bounds {said}"
    drawn = interval_figure(scale, verdict.low, point, verdict.high, threshold=verdict.threshold, said=words)
    return render(el("div", drawn, class_=verdict.outcome.lower()), el("span", said, class_="note"))
