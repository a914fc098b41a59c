"""`Report` -> the Markdown of a pull request comment. The first line stands alone in an e-mail.

GitHub refuses comments over 65,536 characters, so examples are dropped first, then table rows; the text says what
was left out. Whatever comes from data or models is shown by `runner.report.escape`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.evaluation.gates import Verdict
from runner.evaluation.words import percent, points
from runner.report.curve import curve_section
from runner.report.escape import clean, code, fence, inline
from runner.report.model import Example, Finding, FormatCompliance, MetricValues, Report
from runner.report.table import table

LIMIT = 60_000
"""Longest text, in UTF-16 units as GitHub counts."""

MAX_ROWS = 50
"""Rows of a table before it is cut."""

KINDS = 5
"""Kinds of format violations that are told, the commonest first."""

_ICONS = {"PASS": "✅", "FAIL": "❌", "INCONCLUSIVE": "⚠️"}


@dataclass(frozen=True, slots=True)
class _Room:
    """How much of each part is shown."""

    examples: int
    rows: int


def render_markdown(report: Report) -> str:
    """Render the report as one comment of at most `LIMIT` characters."""
    for room in _rooms(report):
        text = "\n\n".join(_sections(report, room)) + "\n"
        if len(text.encode("utf-16-le")) // 2 <= LIMIT:
            return text
    raise AssertionError("a headline and one row per table always fit")


def _rooms(report: Report) -> Iterator[_Room]:
    """Go from everything to the least: examples go first."""
    for examples in range(max(len(report.better), len(report.worse)), -1, -1):
        yield _Room(examples, MAX_ROWS)
    rows = MAX_ROWS
    while rows > 1:
        rows //= 2
        yield _Room(0, rows)


def _sections(report: Report, room: _Room) -> Iterator[str]:
    yield _headline(report)
    yield _gates(report.verdicts, room)
    changes = report.changes
    yield (
        f"**{changes.fixed} fixed, {changes.broken} broken, {changes.unchanged} unchanged** against base "
        f"({inline(changes.metric)}). {inline(report.next_step)}"
    )
    yield _metrics(report, room)
    if report.compliance:
        yield _compliance(report.compliance)
    if report.curve:
        yield curve_section(report.curve, report.best_epoch, room.rows)
    if report.kept:
        yield inline(report.kept, 200)
    if report.findings:
        yield _findings(report.findings)
    yield from _examples("Worse than base", report.worse, changes.broken, room)
    yield from _examples("Better than base", report.better, changes.fixed, room)
    if report.data:
        facts = [[inline(name, 80), inline(value, 200)] for name, value in report.data.items()]
        yield _details("Data", table(["data", ""], facts, room.rows))
    yield _provenance(report)
    yield f"<!-- gitune-report:{inline(report.name)} -->"


def _findings(findings: Sequence[Finding]) -> str:
    return "\n".join(
        f"- ⚠️ **{inline(finding.message, 300)}.** Likely cause: {inline(finding.cause, 300)}. "
        f"Remedy: {inline(finding.remedy, 300)}."
        for finding in findings
    )


def _headline(report: Report) -> str:
    head = report.headline
    count = sum(verdict.outcome == report.outcome for verdict in report.verdicts)
    of = f"{count} of {len(report.verdicts)} gates"
    said = {"PASS": "passes its gates", "FAIL": f"fails {of}", "INCONCLUSIVE": f"has too little evidence for {of}"}
    return (
        f"{_ICONS[report.outcome]} **{inline(report.name)} {inline(report.version)} {said[report.outcome]}**: "
        f"{inline(head.metric)} {percent(head.base)} (base) → {percent(head.tuned)} ({points(head.difference)} points, "
        f"one-sided 95 % bounds {points(head.low)} and {points(head.high)}, n = {head.n})"
    )


def _gates(verdicts: Sequence[Verdict], room: _Room) -> str:
    # What stands in the way comes first.
    ordered = sorted(verdicts, key=lambda verdict: ("FAIL", "INCONCLUSIVE", "PASS").index(verdict.outcome))
    rows = [
        [
            f"{_ICONS[verdict.outcome]} {verdict.outcome}",
            inline(verdict.gate, 200),
            percent(verdict.value),
            "" if verdict.rival_value is None else percent(verdict.rival_value),
            _difference(verdict),
            inline(verdict.reason),
        ]
        for verdict in ordered
    ]
    return table(["verdict", "gate", "tuned", "rival", "difference (95 % bounds)", "why"], rows, room.rows)


def _difference(verdict: Verdict) -> str:
    if verdict.difference is None or verdict.low is None or verdict.high is None:
        return ""
    return f"{points(verdict.difference)} ({points(verdict.low)} … {points(verdict.high)})"


def _metrics(report: Report, room: _Room) -> str:
    champion = f"champion {inline(report.champion)}" if report.champion else ""
    header = [
        "metric",
        "base",
        *([champion] if champion else []),
        "tuned",
        "Δ base",
        *(["Δ champion"] if champion else []),
    ]
    return table(header, [_metric(values, has_champion=bool(champion)) for values in report.metrics], room.rows)


def _metric(values: MetricValues, *, has_champion: bool) -> list[str]:
    base, tuned, champion = values.base, values.tuned, values.champion
    cells = [inline(values.metric, 80), percent(base), percent(tuned), points(tuned - base)]
    if has_champion:
        cells.insert(2, "" if champion is None else percent(champion))
        cells.append("" if champion is None else points(tuned - champion))
    return cells


def _compliance(subjects: Sequence[FormatCompliance]) -> str:
    rows = [
        [
            subject.subject,
            f"{percent(subject.value)} of {subject.n}",
            ", ".join(f"{inline(kind, 40)} {count}" for kind, count in [*subject.violations.items()][:KINDS]) or "none",
        ]
        for subject in subjects
    ]
    return table(["output format", "compliant", "violations (answers)"], rows, MAX_ROWS)


def _examples(title: str, examples: Sequence[Example], total: int, room: _Room) -> Iterator[str]:
    if total == 0:
        return
    shown = examples[: room.examples]
    note = "" if len(shown) == len(examples) else "\n\nMore were left out: the comment would be too long."
    body = "\n\n".join(_example(example) for example in shown)
    yield _details(f"{title}: {len(shown)} of {total} rows", f"{body}{note}".strip())


def _example(example: Example) -> str:
    parts = {"input": example.input, "expected": example.expected, "base": example.base, "tuned": example.tuned}
    lines = [f"row {example.row}"]
    for name, text in parts.items():
        # Indented, so that no text can pass for the next heading.
        lines += [name, *(f"    {line}" for line in clean(text).split("\n"))]
    return fence("\n".join(lines))


def _details(summary: str, body: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{body}\n\n</details>"


def _provenance(report: Report) -> str:
    made = report.provenance
    lines = [
        f"- commit {code(report.commit)}" if report.commit else "- not committed",
        f"- base model {code(made.base_model)}, engine {code(made.engine)}, seed {made.seed}",
        f"- bounds: {inline(report.headline.method)}",
        *(f"- {inline(name, 40)} {code(f'sha256:{digest}')}" for name, digest in made.digests.items()),
        "- keys " + ", ".join(f"{step} {code(key[:12])}" for step, key in made.keys.items()),
        "- " + ", ".join(f"{inline(name, 40)} {code(value, 80)}" for name, value in [*made.environment.items()][:20]),
    ]
    body = "\n".join(line for line in lines if line.strip("- ")) + f"\n\n{fence(made.reproduce, 'sh')}"
    return _details("How this was made, and how to make it again", body)
