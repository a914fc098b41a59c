"""Loss curve -> a mermaid chart and the same numbers in a table, for screen readers and e-mail."""

from __future__ import annotations

import math
from collections.abc import Sequence

from runner.report.escape import fence
from runner.report.parts import CurvePoint
from runner.report.table import table

GRID = 25
"""Points of a chart line: enough to see the course, few enough to read the source."""

# The default colours of mermaid's charts are near white.
_THEME = '%%{init: {"theme": "base", "themeVariables": {"xyChart": {"plotColorPalette": "#0969da, #cf222e"}}}}%%'

Series = list[tuple[float, float]]


def curve_section(curve: Sequence[CurvePoint], best_epoch: float | None, most: int) -> str:
    """Render the loss curve.

    Args:
        curve: points, oldest first.
        best_epoch: epoch whose weights were kept.
        most: table rows.
    """
    ends = [point for point in curve if float(point.epoch).is_integer() or point.validation_loss is not None]
    rows = [
        [
            f"{point.epoch:g}" + (" (kept)" if point.epoch == best_epoch else ""),
            str(point.step),
            _loss(point.train_loss),
            _loss(point.validation_loss),
        ]
        for point in ends
    ]
    parts = [*_chart(curve), table(["epoch", "steps", "train loss", "validation loss"], rows, most)]
    return "\n\n".join(parts)


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _chart(curve: Sequence[CurvePoint]) -> list[str]:
    train = [(p.epoch, p.train_loss) for p in curve if p.train_loss is not None and math.isfinite(p.train_loss)]
    validation = [
        (p.epoch, p.validation_loss)
        for p in curve
        if p.validation_loss is not None and math.isfinite(p.validation_loss)
    ]
    if len(train) < 2:  # noqa: PLR2004 - a line needs two points
        return []
    start, end = train[0][0], train[-1][0]
    grid = [start + (end - start) * step / (GRID - 1) for step in range(GRID)]
    lines = [[_at(series, epoch) for epoch in grid] for series in (train, validation) if series]
    top = max(max(line) for line in lines)
    # Plain decimals throughout: mermaid reads no exponents.
    told = "Loss: training blue" + (", validation red" if validation else "")
    chart = [
        _THEME,
        "xychart-beta",
        f'    title "{told}"',
        f'    x-axis "epoch" {start:.2f} --> {end:.2f}',
        f'    y-axis "loss" 0 --> {max(top * 1.05, 0.001):.3f}',
        *(f"    line [{', '.join(f'{value:.4f}' for value in line)}]" for line in lines),
    ]
    return [fence("\n".join(chart), "mermaid")]


def _at(series: Series, epoch: float) -> float:
    """Read a series between its points, straight; beyond its ends, flat."""
    after = next((at for at, (when, _) in enumerate(series) if when >= epoch), None)
    if after is None:
        return series[-1][1]
    if after == 0:
        return series[0][1]
    (left, low), (right, high) = series[after - 1], series[after]
    return low + (high - low) * (epoch - left) / (right - left)
