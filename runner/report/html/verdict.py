"""What decides: the head of the page, the gates with their intervals, and the metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from runner.evaluation.catalog import Unit
from runner.evaluation.gates import Verdict
from runner.report.html.figures import Html, Line, interval_figure, kind_of, line_chart
from runner.report.html.markup import el, render, table, text
from runner.report.html.scale import Scale, scale_of
from runner.report.html.values import bounds_words, difference_words, range_words, value_words
from runner.report.model import MetricValues, Report

MOST = 200
"""Rows of a table."""
_ICONS = {"PASS": "✓", "FAIL": "✗", "INCONCLUSIVE": "?"}
_ORDER = ("FAIL", "INCONCLUSIVE", "PASS")


def head(report: Report) -> Html:
    """Make the head: the decision, and the figures it rests on, in what one glance takes in."""
    found, changes = report.headline, report.changes
    passed = sum(verdict.outcome == "PASS" for verdict in report.verdicts)
    rise = f"{value_words(found.base, found.unit)} → {value_words(found.tuned, found.unit)}"
    bounds = bounds_words(found.low, found.high, found.unit)
    against = f", against {report.champion}" if report.champion else ""
    return el(
        "header",
        el("p", f"{report.name} {report.version}{against}", class_="name t"),
        el("h1", badge(report.outcome), " ", el("span", report.decision, class_="t")),
        el("p", el("b", text(found.metric)), f" {rise} ", el("b", difference_words(found.difference, found.unit)), class_="rise"),
        el("p", f"{passed} of {len(report.verdicts)} gates pass. One-sided 95 % bounds of the difference {bounds}, {found.n} test rows.", class_="note"),
        el("p", el("b", f"{changes.fixed} fixed, {changes.broken} broken"), f", {changes.unchanged} unchanged against base ({changes.metric})."),
        el("p", text(report.next_step), class_="next"),
        _said(report),
        el("button", "Dark or light", type="button", id="theme", hidden=True),
        class_=f"head {report.outcome.lower()}",
    )  # fmt: skip


def _said(report: Report) -> Iterable[Html]:
    """What a reader must know beside the decision: caveats, wear, an approval."""
    told = [*report.notes]
    if report.approval:
        told.append(f"Approved by {report.approval.who} on {report.approval.at:%Y-%m-%d}: {report.approval.reason}")
    if report.near_rows:
        told.append(f"{report.near_rows} test rows have near neighbours in the training split.")
    if report.wear:
        told.append(report.wear.message)
    if told:
        yield el("ul", [el("li", text(note, 600)) for note in told[:20]], class_="notes")


def badge(outcome: str) -> Html:
    """Show a verdict by word, sign and colour."""
    return el("span", f"{_ICONS[outcome]} {outcome}", class_=f"badge {outcome.lower()}")


def gates(report: Report) -> Html:
    """Make the table of gates; what stands in the way comes first."""
    units: dict[str, Unit] = {values.metric: values.unit for values in report.metrics}
    ordered = sorted(report.verdicts, key=lambda verdict: _ORDER.index(verdict.outcome))[:MOST]
    scales = _scales(ordered, units)
    rows = [
        [
            badge(verdict.outcome),
            text(verdict.gate, 300),
            _measured(verdict, units.get(verdict.metric, "share")),
            _interval(verdict, units.get(verdict.metric, "share"), scales),
            text(verdict.reason, 1000),
        ]
        for verdict in ordered
    ]
    left = len(report.verdicts) - len(rows)
    return render(
        table(["verdict", "required", "measured", "interval", "why"], rows, caption="Gates: all must pass", class_="gates"),
        el("p", "Dot: measured; bar: 95 % bounds; dashed line: what is required; grey line: no difference.", class_="note"),
        left and el("p", f"{left} more gates were left out.", class_="note"),
    )  # fmt: skip


def _kind(verdict: Verdict, units: Mapping[str, Unit]) -> str:
    """Gates of one kind share an axis: shares lie between 0 and 1, a latency does not."""
    unit = units.get(verdict.metric, "share")
    compared = "difference" if verdict.difference is not None else "value"
    return f"{compared} {unit}" if unit == "share" else f"{compared} {verdict.metric}"


def _scales(verdicts: Sequence[Verdict], units: Mapping[str, Unit]) -> dict[str, Scale]:
    found: dict[str, list[float]] = {}
    for verdict in verdicts:
        point = verdict.value if verdict.difference is None else verdict.difference
        edges = (point, verdict.low, verdict.high, verdict.threshold, 0.0 if verdict.difference is not None else None)
        found.setdefault(_kind(verdict, units), []).extend(edge for edge in edges if edge is not None)
    return {kind: scale_of(values, 6, 234) for kind, values in found.items()}


def _measured(verdict: Verdict, unit: Unit) -> Html:
    if verdict.difference is None:
        return el("b", value_words(verdict.value, unit))
    against = "" if verdict.rival_value is None else f"{value_words(verdict.rival_value, unit)} → "
    return render(
        against, value_words(verdict.value, unit), el("br"), el("b", difference_words(verdict.difference, unit))
    )


def _interval(verdict: Verdict, unit: Unit, scales: Mapping[str, Scale]) -> Html:
    if verdict.low is None and verdict.high is None:
        return el("span", "none", class_="note")
    point = verdict.value if verdict.difference is None else verdict.difference
    low, high = (point if bound is None else bound for bound in (verdict.low, verdict.high))
    words = range_words if verdict.difference is None else bounds_words
    said = words(low, high, unit)
    kind = f"{verdict.outcome}: {verdict.gate}, 95 % bounds {said}"
    units = {verdict.metric: unit}
    figure = interval_figure(scales[_kind(verdict, units)], low, point, high, threshold=verdict.threshold, said=kind)
    return render(el("div", figure, class_=verdict.outcome.lower()), el("span", said, class_="note"))


def metrics(report: Report) -> Html:
    """Make the table of metrics: each model with its interval, and what the tuned one gains."""
    names = [subject.name for subject in report.subjects] or ["base", "tuned"]
    titles = {subject.name: subject.title for subject in report.subjects}
    rivals = [name for name in names if any(name in values.differences for values in report.metrics)]
    has_apart = report.near_rows > 0
    header = [
        "metric",
        *(titles.get(name, name) for name in names),
        *(f"Δ {titles.get(name, name)}" for name in rivals),
        *(["this, without near rows"] if has_apart else []),
    ]
    rows = [_metric(values, names, rivals, has_apart=has_apart) for values in report.metrics[:MOST]]
    return render(
        table(header, rows, caption="Metrics, with two-sided 95 % intervals; differences with one-sided bounds"),
        history(report),
    )


def _metric(values: MetricValues, names: Sequence[str], rivals: Sequence[str], *, has_apart: bool) -> list[Html]:
    unit = values.unit
    down = " (lower is better)" if values.better == "lower" else ""
    cells = [render(el("b", text(values.metric, 80)), el("br"), el("span", values.meaning, down, class_="note"))]
    for name in names:
        found = values.subjects.get(name)
        bounds = found and found.low is not None and found.high is not None and range_words(found.low, found.high, unit)
        cells.append(render(found and el("b", value_words(found.value, unit)), bounds and [el("br"), _note(bounds)]))
    for name in rivals:
        gain = values.differences.get(name)
        bounds = gain and gain.low is not None and gain.high is not None and bounds_words(gain.low, gain.high, unit)
        said = gain and el("b", difference_words(gain.value, unit), class_=_way(gain.value, values.better))
        cells.append(render(said, bounds and [el("br"), _note(bounds)]))
    if has_apart:
        tuned = values.subjects.get("tuned")
        cells.append(render(None if tuned is None or tuned.apart is None else value_words(tuned.apart, unit)))
    return cells


def _note(words: str) -> Html:
    return el("span", words, class_="note")


def _way(difference: float, better: str) -> str | None:
    if abs(difference) < 1e-9:  # noqa: PLR2004 - no difference
        return None
    return "good" if (difference > 0) == (better == "higher") else "bad"


def history(report: Report) -> Html:
    """Draw the primary metric over versions, with the numbers below it."""
    points = report.history[-MOST:]
    if len(points) < 2:  # noqa: PLR2004 - one version is no history
        return Html("")
    unit = report.headline.unit
    places = [(float(place), point.value) for place, point in enumerate(points)]
    said = f"{report.headline.metric} of {len(points)} versions, {value_words(points[0].value, unit)} to {value_words(points[-1].value, unit)}"
    band = [
        (at, value - wide, value + wide)
        for (at, value), point in zip(places, points, strict=True)
        if (wide := _wide(value, point.n, unit)) is not None
    ]
    line = Line(report.headline.metric, kind_of("tuned"), places, band)
    names = {float(place): point.version for place, point in enumerate(points)}
    chart = line_chart(
        [line],
        said=said,
        x_name="versions",
        x_said=lambda at: names.get(at, ""),
        y_said=lambda value: value_words(value, unit),
    )
    rows = [
        [
            point.version,
            f"{point.date:%Y-%m-%d}" if point.date else "this one",
            value_words(point.value, unit),
            point.n,
            "the same" if point.same_test_set else "other rows, do not compare",
        ]
        for point in reversed(points)
    ]
    return render(
        el("h3", text(report.headline.metric), " over versions"),
        chart,
        table(["version", "released", "value", "test rows", "test set"], rows, caption="History"),
    )


def _wide(value: float, n: int | None, unit: Unit) -> float | None:
    """Return half the width of a rough band: of a share, by its number of rows (normal approximation)."""
    return 1.96 * (value * (1 - value) / n) ** 0.5 if unit == "share" and n and 0 <= value <= 1 else None
