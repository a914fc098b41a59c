"""Where the models differ: output format, confused labels, slices, time and length of answers."""

from __future__ import annotations

from collections.abc import Iterable

from runner.evaluation.catalog import Unit
from runner.evaluation.verdicts import Verdict
from runner.report.figures import figure
from runner.report.html.charts import histogram
from runner.report.html.markup import Child, Html, difference, el, render, table, text
from runner.report.html.metrics import subjects_of
from runner.report.model import Confusion, FormatCompliance, Report, SliceValue
from runner.report.words import slice_words, unit_of

MOST = 200
"""Slices that are told."""
MOST_LABELS = 30
"""Labels of a confusion matrix that is still drawn."""
_SHADES = 9


def compliance(report: Report) -> Html:
    """Make the table of how often each model kept to the output format."""
    titles = subjects_of(report)
    rows: list[list[Child]] = [
        [
            titles.get(found.subject, found.subject),
            f"{figure(found.value, 'share')} of {found.n}",
            _violations(found),
        ]
        for found in report.compliance
    ]
    return table(["model", "compliant", "violations (answers)"], rows, caption="Output format") if rows else Html("")


def _violations(found: FormatCompliance) -> Html:
    said = (f"{kind.replace('_', ' ')} {count}" for kind, count in [*found.violations.items()][:12])
    return text(", ".join(said) or "none", 400)


def confusion(report: Report) -> Html:
    """Make a heat-map for each model, the tuned one first, with the pairs that are confused most."""
    if not report.confusion:
        return Html("")
    titles = subjects_of(report)
    return render([_matrix(found, titles.get(found.subject, found.subject)) for found in reversed(report.confusion)])


def _matrix(found: Confusion, title: str) -> Html:
    pairs: list[list[Child]] = [
        [
            text(pair.expected, 80),
            text(pair.answered, 80) if pair.answered is not None else el("i", "none of the labels"),
            pair.n,
        ]
        for pair in found.pairs[:8]
    ]
    told = table(["expected", "answered", "rows"], pairs, caption=f"{title}: what is taken for what")
    wrong = told if pairs else el("p", f"{title}: no label is taken for another.")
    if len(found.labels) > MOST_LABELS:
        note = f"{len(found.labels)} labels are too many for a matrix that can be read."
        return render(wrong, el("p", note, class_="note"))
    rows: list[list[Child]] = [
        [text(label, 40), *(_heat(count, sum(counts), hit=place == at) for at, count in enumerate(counts))]
        for place, (label, counts) in enumerate(zip(found.labels, found.matrix, strict=True))
    ]
    header = ["expected ↓ answered →", *(text(label, 40) for label in found.labels), "none of them"]
    drawn = table(header, rows, caption=f"Confusion matrix of {title}", class_="heat")
    return el("div", drawn, wrong, class_="pair")


def _heat(count: int, of: int, *, hit: bool) -> Html:
    shade = 0 if not count else max(1, round(_SHADES * count / of))
    return el("td", count or "", class_=f"{'hit' if hit else 'miss'} h{shade}")


def slices(report: Report) -> Html:
    """Make the verdicts of gates by slice, and the heat-map: one row for each value of a field."""
    judged = [_sliced(verdict) for verdict in report.verdicts if verdict.slices]
    if not report.slices:
        return render(judged)
    titles = subjects_of(report)
    rows = [_slice(found, titles, unit_of(found.metric, report)) for found in report.slices]
    header = ["slice", "rows", *titles.values(), "Δ base", ""]
    caption = f"{report.slices[0].metric[:80]} by slice"
    return render(judged, table(header, rows, caption=caption, class_="heat numbers", most=MOST))


def _sliced(verdict: Verdict) -> Html:
    rows: list[list[Child]] = [
        [text(found.value, 80), found.rows, found.measured, found.interval, found.verdict]
        for found in slice_words(verdict)
    ]
    return table(["slice", "rows", "measured", "95 % bounds", "verdict"], rows, caption=verdict.gate[:200], most=MOST)


def _slice(found: SliceValue, names: Iterable[str], unit: Unit) -> list[Child]:
    name = render(text(found.field, 60), " = ", el("i", "none") if found.value is None else text(found.value, 80))
    said = "too few rows to judge" if found.small else "more than chance (Holm)" if found.marked else "may be chance"
    colour = "grey" if found.small else None if not found.marked else "good" if found.gain > 0 else "bad"
    gain = el("td", difference(found.gain, unit), class_=colour)
    return [name, found.n, *(_cell(found.subjects.get(subject), unit) for subject in names), gain, said]


def _cell(value: float | None, unit: Unit) -> Html:
    shade = f"hit h{_level(value)}" if value is not None and unit == "share" else None
    return el("td", figure(value, unit), class_=shade)


def _level(share: float) -> int:
    return round(_SHADES * min(max(share, 0.0), 1.0))


def costs(report: Report) -> Html:
    """Make the table of time, tokens and money, and the histograms of latency and length."""
    header = [
        "model",
        "answered",
        "failed",
        "cut off",
        "prompt tokens",
        "answer tokens",
        "latency p50",
        "latency p95",
        "1,000 requests",
    ]
    rows: list[list[Child]] = [
        [
            text(found.title, 80),
            found.answered,
            found.errors,
            found.cut_off,
            "" if found.prompt_tokens is None else f"{found.prompt_tokens:.1f}",
            "" if found.answer_tokens is None else f"{found.answer_tokens:.1f}",
            figure(found.latency_p50, "seconds"),
            figure(found.latency_p95, "seconds"),
            figure(found.cost_per_1000, "usd"),
        ]
        for found in report.subjects
    ]
    return render(
        table(header, rows, caption="Time, tokens and money") if rows else None, _latency(report), _lengths(report)
    )


def _latency(report: Report) -> Html:
    values = {found.name: found.latencies for found in report.subjects if found.latencies}
    figure = histogram(
        values, said="How long one answer took, by model", x_name="seconds of one answer", x_said=lambda v: f"{v:g} s"
    )
    return render(el("h3", "Latency"), figure) if figure else Html("")


def _lengths(report: Report) -> Html:
    values = {
        found.name: [float(len(row.answers[found.name])) for row in report.rows if found.name in row.answers]
        for found in report.subjects
    }
    expected = [float(len(row.expected)) for row in report.rows]
    figure = histogram(
        {"expected": expected, **values},
        said="How long answers are, by model",
        x_name="characters of an answer",
        x_said=lambda v: f"{v:,.0f}",
    )
    return render(el("h3", "Length of answers"), figure) if figure else Html("")
