"""Metrics of all models with their intervals, and the primary one over versions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import NormalDist

from runner.evaluation.catalog import Unit
from runner.report.figures import bounds, figure
from runner.report.html.charts import Line, kind_of, line_chart
from runner.report.html.markup import Html, difference, el, render, table, text
from runner.report.model import MetricDifference, MetricValue, MetricValues, Report
from runner.report.parts import HistoryPoint

MOST = 100
"""Metrics and versions that are told."""
_CAPTION = "With 95 % intervals of values, and one-sided 95 % bounds of differences"
_Z = NormalDist().inv_cdf(0.95)


def subjects_of(report: Report) -> dict[str, str]:
    """Return every model's name with what people call it, in the report's order."""
    return {subject.name: subject.title for subject in report.subjects} or {"base": "base", "tuned": "this"}


def metrics(report: Report) -> Html:
    """Make the table of metrics: each model with its interval, and what the tuned one gains."""
    titles = subjects_of(report)
    rivals = [name for name in titles if any(name in values.differences for values in report.metrics)]
    has_apart = any(found.apart is not None for values in report.metrics for found in values.subjects.values())
    apart = [f"this, without {report.near_rows} near rows"] if has_apart else []
    header = ["metric", *titles.values(), *(f"Δ {titles[name]}" for name in rivals), *apart]
    rows = [_metric(values, titles, rivals, has_apart=has_apart) for values in report.metrics]
    return render(
        table(
            header,
            rows,
            caption=_CAPTION,
            class_="numbers",
            most=MOST,
        ),
        _history(report),
    )


def _metric(values: MetricValues, titles: Mapping[str, str], rivals: Sequence[str], *, has_apart: bool) -> list[Html]:
    down = " (lower is better)" if values.better == "lower" else ""
    name = render(el("b", text(values.metric, 80)), _below(f"{values.meaning[:200]}{down}".replace("`", "")))
    tuned = values.subjects.get("tuned")
    return [
        name,
        *(_value(values.subjects.get(subject), values.unit) for subject in titles),
        *(_gain(values.differences.get(rival), values) for rival in rivals),
        *([render(figure(tuned.apart if tuned else None, values.unit))] if has_apart else []),
    ]


def _value(found: MetricValue | None, unit: Unit) -> Html:
    if found is None:
        return Html("")
    return render(el("b", figure(found.value, unit)), _below(bounds(found.low, found.high, unit, signed=False)))


def _gain(found: MetricDifference | None, values: MetricValues) -> Html:
    if found is None:
        return Html("")
    up = found.value if values.better == "higher" else -found.value
    way = None if math.isclose(up, 0, abs_tol=1e-9) else "good" if up > 0 else "bad"
    said = el("b", difference(found.value, values.unit), class_=way)
    return render(said, _below(bounds(found.low, found.high, values.unit, signed=True)))


def _below(words: str) -> Html | None:
    return render(el("br"), el("span", words, class_="note")) if words else None


def _history(report: Report) -> Html | None:
    """Draw the primary metric over versions, with the numbers below it."""
    points, unit = report.history[-MOST:], report.headline.unit
    if len(points) < 2:  # noqa: PLR2004 - one version is no history
        return None
    names = {float(place): point.version for place, point in enumerate(points)}
    metric = report.headline.metric[:80]
    line = Line(
        metric,
        kind_of("tuned"),
        [(float(place), point.value) for place, point in enumerate(points)],
        [(float(place), *band) for place, point in enumerate(points) if (band := _band(point, unit))],
    )
    chart = line_chart(
        [line],
        said=f"{metric} of {len(points)} versions",
        x_name="versions; the band is rough, by the number of test rows alone",
        x_said=lambda at: names.get(at, ""),
        y_said=lambda value: figure(value, unit),
    )
    rows = [
        [
            text(point.version, 40),
            f"{point.date:%Y-%m-%d}" if point.date else "not released",
            figure(point.value, unit),
            point.n,
            "the same" if point.same_test_set else "other rows: do not compare",
        ]
        for point in reversed(points)
    ]
    header = ["version", "released", metric, "test rows", "test set"]
    return render(
        el("h3", "Over versions"), chart, table(header, rows, caption="Versions, the newest first", most=MOST)
    )


def _band(point: HistoryPoint, unit: Unit) -> tuple[float, float] | None:
    """Return Wilson's interval of a share (1927), which needs no more than the share and the rows."""
    if unit != "share" or not point.n or not 0 <= point.value <= 1:
        return None
    share, n = point.value, point.n
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    wide = _Z * math.sqrt(share * (1 - share) / n + _Z**2 / (4 * n**2)) / (1 + _Z**2 / n)
    return middle - wide, middle + wide
