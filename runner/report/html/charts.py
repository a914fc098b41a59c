"""Numbers -> inline SVG. Every figure says in words what it shows, and a table beside it has its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from runner.report.html.markup import Html, el
from runner.report.html.scale import Scale, scale_of

WIDTH, HEIGHT = 640, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 12, 34
_DOTS = 60
"""Points of a line that get a dot of their own."""

Points = Sequence[tuple[float, float]]
Said = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart."""

    name: str
    """What it shows; also its colour, by `kind`."""
    kind: str
    """CSS class, a constant of this package."""
    points: Points
    """Values, from left to right."""
    band: Sequence[tuple[float, float, float]] = ()
    """Lower and upper bounds around it: x, low, high."""


def interval_figure(scale: Scale, low: float, point: float, high: float, *, threshold: float | None, said: str) -> Html:
    """Draw a measured value with its bounds, and the threshold as an upright line.

    Args:
        scale: axis, shared by the gates that can be compared.
        low: lower bound.
        point: what was measured.
        high: upper bound.
        threshold: what is required, on the same axis.
        said: the same in words.
    """
    left, at, right = scale.at(low), scale.at(point), scale.at(high)
    parts = [
        el("line", x1=scale.start, x2=scale.end, y1=14, y2=14, class_="axis"),
        _upright(scale.at(0.0), "zero") if scale.low < 0 < scale.high else None,
        el("line", x1=left, x2=right, y1=14, y2=14, class_="range"),
        [el("line", x1=end, x2=end, y1=9, y2=19, class_="range") for end in (left, right)],
        None if threshold is None else _upright(scale.at(threshold), "threshold"),
        el("circle", cx=at, cy=14, r=4.5, class_="point"),
    ]
    width = int(scale.end + scale.start)
    return el("svg", parts, viewBox=f"0 0 {width} 28", width=width, height=28, role="img", aria_label=said)


def _upright(x: float, class_: str) -> Html:
    return el("line", x1=x, x2=x, y1=2, y2=26, class_=class_)


def line_chart(
    lines: Sequence[Line], *, said: str, x_name: str, x_said: Said, y_said: Said, marked: float | None = None
) -> Html:
    """Draw lines over one axis; a chart of fewer than two points is none.

    Args:
        lines: what is drawn.
        said: the chart in words.
        x_name: what runs to the right.
        x_said: how a value of x is written.
        y_said: how a value of y is written.
        marked: x that is marked by an upright line.
    """
    drawn = [Line(line.name, line.kind, _finite(line.points), line.band) for line in lines]
    drawn = [line for line in drawn if line.points]
    if sum(len(line.points) for line in drawn) < 2:  # noqa: PLR2004 - a line needs two points
        return Html("")
    x = scale_of((at for line in drawn for at, _ in line.points), _LEFT, WIDTH - _RIGHT, margin=0.02)
    values = [value for line in drawn for _, value in line.points]
    edges = [edge for line in drawn for _, *both in line.band for edge in both]
    y = scale_of(values + edges, HEIGHT - _BOTTOM, _TOP)
    mark = (
        None
        if marked is None
        else el("line", x1=x.at(marked), x2=x.at(marked), y1=_TOP, y2=HEIGHT - _BOTTOM, class_="zero")
    )
    parts = [_axes(x, y, x_said, y_said), mark, [_line(line, x, y) for line in drawn]]
    chart = el("svg", parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=said, class_="chart")
    return el("figure", chart, el("figcaption", _legend((line.name, line.kind) for line in drawn), f" over {x_name}"))


def _finite(points: Points) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]


def _line(line: Line, x: Scale, y: Scale) -> Iterable[Html]:
    if line.band:
        upper = [f"{x.at(at)},{y.at(high)}" for at, _, high in line.band]
        lower = [f"{x.at(at)},{y.at(low)}" for at, low, _ in reversed(line.band)]
        yield el("polygon", points=" ".join(upper + lower), class_=f"band {line.kind}")
    yield el("polyline", points=" ".join(f"{x.at(at)},{y.at(value)}" for at, value in line.points), class_=line.kind)
    if len(line.points) <= _DOTS:
        yield from (el("circle", cx=x.at(at), cy=y.at(value), r=3, class_=line.kind) for at, value in line.points)


def _axes(x: Scale, y: Scale, x_said: Said, y_said: Said) -> Iterable[Html]:
    for value in y.ticks():
        yield el("line", x1=x.start, x2=x.end, y1=y.at(value), y2=y.at(value), class_="grid")
        yield el("text", y_said(value), x=x.start - 6, y=y.at(value) + 4, text_anchor="end")
    for value in x.ticks(6):
        yield el("text", x_said(value), x=x.at(value), y=HEIGHT - _BOTTOM + 18, text_anchor="middle")


def _legend(names: Iterable[tuple[str, str]]) -> Iterable[Html]:
    for name, kind in names:
        yield el("span", el("i", class_=f"key {kind}"), name, " ")


def histogram(values: Mapping[str, Sequence[float]], *, said: str, x_name: str, x_said: Said, bins: int = 24) -> Html:
    """Draw how often values occur, one panel under the other for each model, over one axis.

    Args:
        values: values by model; empty ones are left out.
        said: the figure in words.
        x_name: what is counted.
        x_said: how a value is written.
        bins: bars in each panel.
    """
    found = {name: [value for value in all_ if math.isfinite(value)] for name, all_ in values.items()}
    found = {name: kept for name, kept in found.items() if kept}
    if not found:
        return Html("")
    top = max(max(kept) for kept in found.values()) or 1.0
    x = Scale(0.0, top, _LEFT, WIDTH - _RIGHT)
    height = 64
    panels = [_panel(name, kept, x, place * height, height, bins) for place, (name, kept) in enumerate(found.items())]
    bottom = height * len(found)
    ticks = [el("text", x_said(v), x=x.at(v), y=bottom + 18, text_anchor="middle") for v in x.ticks(6)]
    box = f"0 0 {WIDTH} {bottom + 24}"
    chart = el("svg", panels, ticks, viewBox=box, role="img", aria_label=said, class_="chart")
    return el("figure", chart, el("figcaption", _legend((name, kind_of(name)) for name in found), f": {x_name}"))


def _panel(name: str, values: Sequence[float], x: Scale, top: float, height: float, bins: int) -> Iterable[Html]:
    counts = [0] * bins
    for value in values:
        counts[min(int(bins * max(value, 0.0) / x.high), bins - 1)] += 1
    wide = (x.end - x.start) / bins
    most = max(counts)
    for place, count in enumerate(counts):
        if count:
            tall = max(count / most * (height - 12), 1.0)
            left, above = x.start + place * wide, top + height - tall
            yield el("rect", x=left, y=above, width=wide - 1, height=tall, class_=kind_of(name))
    yield el("line", x1=x.start, x2=x.end, y1=top + height, y2=top + height, class_="axis")
    yield el("text", str(most), x=x.start - 6, y=top + 20, text_anchor="end")


def kind_of(subject: str) -> str:
    """Return the CSS class of a model's colour."""
    return f"s-{subject}" if subject in ("base", "champion", "tuned") else "s-other"
