"""The folded parts of a comment: examples, slices, confusions, data, costs, training, changes, provenance."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from runner.evaluation.words import percent, points
from runner.report.curve import curve_section
from runner.report.escape import clean, code, fence, inline, sentence
from runner.report.figures import figure
from runner.report.markdown_section import Section, details
from runner.report.model import Confusion, Report, ReportRow, SliceValue
from runner.report.parts import Finding, Subject
from runner.report.rows import shorten
from runner.report.table import table
from runner.report.words import slice_words

INPUT_LIMIT, ANSWER_LIMIT = 600, 400
"""Characters of an example that a comment shows."""
BROKEN, FIXED = 10, 5
"""Examples: what broke matters more."""
PAIRS = 5
WIDTH = 100
"""Columns of an example."""
_ROWS = (50, 20, 5)


def details_of(report: Report) -> Iterator[Section]:
    """Yield the folded parts in the order of the comment; rank says who may stay when there is little room."""
    if worse := report.became("broken", "champion"):
        yield _examples("Broken since the champion", "rows broken since the champion", worse, BROKEN, 9)
    if worse := report.became("broken", "base"):
        yield _examples("Broken", "broken examples", worse, BROKEN, 10)
    if better := report.became("fixed", "base"):
        yield _examples("Fixed", "fixed examples", better, FIXED, 11)
    if any(verdict.slices for verdict in report.verdicts):
        yield Section("gates by slice", 8, lambda most: details("Gates by slice", _sliced(report, most)), _ROWS)
    if report.slices:
        yield Section("slices", 8, lambda most: details("Slices", _slices(report.slices, most)), _ROWS)
    if any(found.pairs for found in report.confusion):
        yield Section("confused labels", 7, lambda _: details("Confused labels", _pairs(report)), (1,))
    if report.data or report.data_findings:
        yield Section("the data", 6, lambda most: details("Data", _data(report, most)), _ROWS)
    yield Section("costs", 5, lambda most: details("Tokens, latency and cost", _costs(report.subjects, most)), _ROWS)
    if report.curve or report.kept or report.findings:
        yield Section("the training", 4, lambda most: details(_training_title(report), _training(report, most)), _ROWS)
    if report.changed:
        yield Section("what changed", 3, lambda most: details(_changed_title(report), _changed(report, most)), _ROWS)
    yield Section("how this was made", 2, lambda most: details(_MADE, _provenance(report, most)), (20, 5))


_MADE = "How this was made, and how to make it again"


def _examples(title: str, name: str, rows: Sequence[ReportRow], most: int, rank: int) -> Section:
    def write(count: int) -> str:
        shown = rows[:count]
        return details(f"{title}: {len(shown)} of {len(rows)} rows", "\n\n".join(map(_example, shown)))

    whole = min(most, len(rows))
    return Section(name, rank, write, range(whole, 0, -1))


def _example(row: ReportRow) -> str:
    parts = {"input": shorten(row.input, INPUT_LIMIT), "expected": row.expected}
    parts |= {name: row.answers[name] for name in ("base", "champion") if name in row.answers}
    parts |= {"this": row.answers["tuned"]} if "tuned" in row.answers else {}
    if row.violations:
        parts["how this breaks the output format"] = ", ".join(row.violations)
    for near in row.nearest:
        at = near.where or near.row
        parts[f"training row {at}, similarity {near.similarity:.2f}"] = f"{near.input}\n→ {near.answer}"
    lines = [" ".join(clean(f"row {row.id}" + (f", {row.where}" if row.where else "")).split())]
    for name, text in parts.items():
        # Indented, so that no text can pass for the next heading.
        cut = text if name == "input" else shorten(text, ANSWER_LIMIT)
        lines += [" ".join(clean(name).split()), *(f"    {line}" for line in _wrapped(clean(cut)))]
    return fence("\n".join(lines))


def _wrapped(text: str) -> Iterator[str]:
    """Break long lines: a code block would scroll sideways."""
    wrapper = textwrap.TextWrapper(WIDTH, drop_whitespace=False, replace_whitespace=False, expand_tabs=False)
    for line in text.split("\n"):
        yield from wrapper.wrap(line) or [""]


def _sliced(report: Report, most: int) -> str:
    rows = [
        [
            inline(verdict.gate, 150),
            inline(found.value, 60),
            str(found.rows),
            found.measured,
            found.interval,
            found.verdict,
        ]
        for verdict in report.verdicts
        for found in slice_words(verdict)
    ]
    header = ["gate", "slice", "rows", "measured", "95 % bounds", "verdict"]
    note = "Bounds are those of each slice alone; verdicts are Holm's, of all slices of a gate together."
    return f"{table(header, rows, most)}\n\n{note}"


def _slices(slices: Sequence[SliceValue], most: int) -> str:
    names = [name for name in ("base", "champion", "tuned") if any(name in part.subjects for part in slices)]
    header = ["slice", "rows", *("this" if name == "tuned" else name for name in names), "Δ base", "sure"]
    rows = [
        [
            f"{inline(part.field, 40)} = {inline('none' if part.value is None else part.value, 60)}",
            str(part.n),
            *(percent(part.subjects[name]) if name in part.subjects else "" for name in names),
            points(part.gain),
            "too few rows" if part.small else "yes" if part.marked else "no",
        ]
        for part in slices
    ]
    note = (
        f"By {inline(slices[0].metric, 80)}. Sure: more than chance at 95 %, after Holm's correction for their number."
    )
    return f"{table(header, rows, most)}\n\n{note}"


def _pairs(report: Report) -> str:
    rows = [row for found in report.confusion for row in _pair_rows(found)]
    return table(["model", "expected", "answered", "rows"], rows, 2 * PAIRS)


def _pair_rows(found: Confusion) -> Iterator[list[str]]:
    for pair in found.pairs[:PAIRS]:
        answered = "none of the labels" if pair.answered is None else inline(pair.answered, 80)
        yield ["this" if found.subject == "tuned" else found.subject, inline(pair.expected, 80), answered, str(pair.n)]


def _data(report: Report, most: int) -> str:
    parts = []
    if report.data:
        facts = [[inline(name, 80), inline(value, 200)] for name, value in report.data.items()]
        parts.append(table(["data", ""], facts, most))
    if report.data_findings:
        rows = [
            [
                inline(one.severity),
                inline(one.code, 60),
                str(one.count),
                inline(one.where, 120),
                inline(one.message, 200),
            ]
            for one in report.data_findings
        ]
        parts.append(table(["finding", "", "rows", "first at", ""], rows, most))
    return "\n\n".join(parts)


def _costs(subjects: Sequence[Subject], most: int) -> str:
    header = ["model", "answered", "prompt tokens", "answer tokens", "cut off", "p50", "p95", "1,000 requests"]
    rows = [
        [
            inline(one.title, 60),
            f"{one.answered}" + (f", {one.errors} errors" if one.errors else ""),
            "" if one.prompt_tokens is None else f"{one.prompt_tokens:.1f}",
            "" if one.answer_tokens is None else f"{one.answer_tokens:.1f}",
            str(one.cut_off),
            figure(one.latency_p50, "seconds"),
            figure(one.latency_p95, "seconds"),
            figure(one.cost_per_1000, "usd"),
        ]
        for one in subjects
    ]
    shown = [at for at in range(len(header)) if at < 2 or any(row[at] for row in rows)]  # noqa: PLR2004 - name, answered
    return table([header[at] for at in shown], [[row[at] for at in shown] for row in rows], most)


def _training_title(report: Report) -> str:
    worrying = len(report.findings)
    return "Training" + (f": {worrying} finding{'s' * (worrying != 1)}" if worrying else "")


def _training(report: Report, most: int) -> str:
    parts = [curve_section(report.curve, report.best_epoch, most)] if report.curve else []
    parts += [sentence(report.kept, 200)] if report.kept else []
    parts += ["\n".join(map(_finding, report.findings[:10]))] if report.findings else []
    return "\n\n".join(parts)


def _finding(finding: Finding) -> str:
    return (
        f"- ⚠️ **{inline(finding.message, 300)}.** Likely cause: {inline(finding.cause, 300)}. "
        f"Remedy: {inline(finding.remedy, 300)}."
    )


def _changed_title(report: Report) -> str:
    count = len(report.changed)
    return f"{count} change{'s' * (count != 1)} since the champion"


def _changed(report: Report, most: int) -> str:
    lines = [f"- {sentence(change.words, 300)}" for change in report.changed]
    more = [f"- and {len(lines) - most} more"] if len(lines) > most else []
    return "\n".join([*lines[:most], *more])


def _provenance(report: Report, most: int) -> str:
    made = report.provenance
    lines = [
        f"- commit {code(report.commit)}" if report.commit else "- not committed",
        f"- base model {code(made.base_model)}, engine {code(made.engine)}, seed {made.seed}",
        f"- bounds: {inline(report.headline.method)}",
        *(
            f"- approved by {inline(given.who, 100)}: {inline(given.reason, 300)}"
            for given in [report.approval]
            if given
        ),
        *(f"- {inline(name, 40)} {code(f'sha256:{digest}')}" for name, digest in [*made.digests.items()][:most]),
        "- keys " + ", ".join(f"{step} {code(key[:12])}" for step, key in made.keys.items()),
        "- trained with "
        + ", ".join(f"{inline(name, 40)} {code(value, 80)}" for name, value in [*made.environment.items()][:most]),
    ]
    return "\n".join(lines) + f"\n\n{fence(made.reproduce, 'sh')}"
