"""What the model was made from: training and its curve, data, changes of the spec, provenance."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from runner.report.html.charts import Line, line_chart
from runner.report.html.markup import Child, Html, el, render, table, text
from runner.report.model import Report
from runner.report.parts import CurvePoint, Finding

MOST = 200
"""Rows of a table."""


def training(report: Report) -> Html:
    """Make the loss curve with its diagnosis, and the numbers behind it."""
    drawn = [
        Line("training", "s-tuned", [(p.epoch, p.train_loss) for p in report.curve if p.train_loss is not None]),
        Line(
            "validation",
            "s-champion",
            [(p.epoch, p.validation_loss) for p in report.curve if p.validation_loss is not None],
        ),
    ]
    chart = line_chart(
        drawn, said="Loss over epochs", x_name="epochs", x_said=_plain, y_said=_plain, marked=report.best_epoch
    )
    return render(
        report.kept and el("p", text(report.kept, 300)),
        [_diagnosis(finding) for finding in report.findings[:20]]
        or el("p", "The curve shows nothing that looks wrong.", class_="note"),
        chart,
        _summary(report),
        table(["epoch", "steps", "train loss", "validation loss"], _points(report), caption="Loss"),
    )


def _plain(value: float) -> str:
    return f"{value:g}"


def _diagnosis(finding: Finding) -> Html:
    return el(
        "div",
        el("p", el("b", text(finding.message, 400))),
        el("p", "Likely cause: ", text(finding.cause, 400), ". Remedy: ", text(finding.remedy, 400), "."),
        class_="finding",
    )


def _points(report: Report) -> Iterable[list[str]]:
    ends = [point for point in report.curve if float(point.epoch).is_integer() or point.validation_loss is not None]
    for point in ends[-MOST:]:
        yield [_epoch(point, report.best_epoch), str(point.step), _loss(point.train_loss), _loss(point.validation_loss)]


def _epoch(point: CurvePoint, best: float | None) -> str:
    return f"{point.epoch:g}{' (kept)' if point.epoch == best else ''}"


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _summary(report: Report) -> Html:
    found = report.training
    if found is None:
        return Html("")
    told = [f"{found.method}, {found.epochs:g} epochs"]
    told += [f"{found.steps} steps"] if found.steps is not None else []
    told += [f"{found.seconds:,.0f} s"] if found.seconds is not None else []
    told += [f"on {found.device}"] if found.device else []
    return el("p", ", ".join(told), class_="t")


def data(report: Report) -> Html:
    """Make the data card and what the checks found."""
    found: list[list[Child]] = [
        [
            text(finding.code, 60),
            finding.severity,
            finding.count,
            text(finding.message, 300),
            text(finding.where, 200),
            text(finding.hint, 300),
        ]
        for finding in report.data_findings[:MOST]
    ]
    return render(
        _pairs(report.data, "Data card"),
        found
        and table(
            ["finding", "severity", "count", "what", "where", "what to do"], found, caption="What the data checks found"
        ),
    )


def changes(report: Report) -> Html:
    """Make the table of what is not as in the version before."""
    if report.changed_since is None:
        return el("p", "Nothing was released before this version.")
    if not report.changed:
        return el("p", f"Nothing changed since {report.changed_since}.")
    rows = [[text(c.path, 120), _value(c.old), _value(c.new), text(c.words, 300)] for c in report.changed[:MOST]]
    left = len(report.changed) - len(rows)
    return render(
        table(["what", "before", "now", "in words"], rows, caption=f"Changed since {report.changed_since}"),
        el("p", f"{left} more changes were left out.", class_="note") if left else None,
    )


def _value(value: Any) -> Html:
    if value is None:
        return Html("")
    return text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str), 200)


def provenance(report: Report) -> Html:
    """Make the tables that say what was compared, and the command that makes it again."""
    made = report.provenance
    told = {
        "commit": report.commit or "not committed",
        "base model": made.base_model,
        "engine": made.engine,
        "seed": str(made.seed),
        "bounds": report.headline.method,
        **{f"sha256 of {name}": digest for name, digest in made.digests.items()},
        **{f"key of {step}": key for step, key in made.keys.items()},
    }
    return render(
        el("p", "This makes it again:"),
        el("pre", text(made.reproduce, 600), class_="command"),
        _pairs(told, "What was compared"),
        _pairs(made.environment, "Made with"),
        made.scored_with and _pairs(made.scored_with, "Scored with"),
    )


def _pairs(pairs: Mapping[str, str], caption: str) -> Html:
    rows = [[text(name, 80), text(value, 600)] for name, value in [*pairs.items()][:MOST]]
    return table(["", ""], rows, caption=caption, class_="pairs") if rows else Html("")
