"""`Report` -> the Markdown of a pull request comment. Its first line stands alone in an e-mail.

GitHub refuses comments over 65,536 characters and posts nothing then. So the decision and the gates come first and are
shortened, never dropped; every other section is there whole, shortened, or not at all, and the text says which are not.
Whatever comes from data or models is shown by `runner.report.escape`.
"""

from __future__ import annotations

from runner.report.escape import inline, sentence
from runner.report.markdown_details import details_of
from runner.report.markdown_section import Section, fit, left_out, length
from runner.report.markdown_tables import compliance_section, metrics_section
from runner.report.model import Report
from runner.report.table import table
from runner.report.words import (
    ICONS,
    GateWords,
    changes_words,
    decision_words,
    gate_words,
    headline_words,
    obstacle_words,
)

LIMIT = 60_000
"""Longest text, in UTF-16 units as GitHub counts."""

HEAD = 20_000
"""Most of it that decision and gates take."""

_RESERVED = 4_000
"""Room for the footer's and the notes' end, and for saying what was left out."""


def render_markdown(report: Report) -> str:
    """Render the report as one comment of at most `LIMIT` characters."""
    head, marker = verdict_text(report, HEAD), f"<!-- gitune-report:{inline(report.name, 100)} -->"
    sections = sections_of(report)
    chosen = fit(sections, LIMIT - _RESERVED - length(head))
    parts = [head, *(text for text in chosen if text)]
    if missing := left_out(sections, chosen):
        parts.append(f"Left out, because the comment would be too long: {', '.join(missing)}.")
    return "\n\n".join([*parts, footer_text(report), marker]) + "\n"


def sections_of(report: Report) -> list[Section]:
    """Return everything below the verdict, in order."""
    always = [metrics_section(report), *([compliance_section(report)] if report.compliance else [])]
    return [*always, *details_of(report)]


def verdict_text(report: Report, room: int) -> str:
    """Return decision, gates and what became of the rows, in the longest form that fits, else in the shortest."""
    first = f"{ICONS[report.outcome]} **{inline(decision_words(report), 300)}**"
    if obstacle := obstacle_words(report):
        first += f" ({inline(obstacle, 300)})"
    first += f": {inline(headline_words(report), 400)}"
    if report.commit:
        first += f", commit {inline(report.commit[:12])}"
    changes = f"**{changes_words(report.changes)}** against base"
    if report.champion_changes:
        changes += f", {changes_words(report.champion_changes)} against champion {inline(report.champion or '', 60)}"
    last = f"{changes} ({inline(report.changes.metric, 80)}). {inline(report.next_step, 600)}"
    notes = [f"- {sentence(note, 300)}" for note in report.notes[:10]]
    for words, rows in ((400, 50), (150, 50), (80, 25), (80, 10), (40, 3)):
        parts = [first, _gates(gate_words(report), words, rows), last]
        text = "\n\n".join([*parts, "\n".join(notes)] if notes else parts)
        if length(text) <= room:
            break
    return text


def _gates(gates: list[GateWords], words: int, most: int) -> str:
    rows = [
        [
            inline(gate.gate, min(words, 200)),
            inline(gate.required, min(words, 200)),
            inline(gate.measured),
            inline(gate.interval),
            gate.verdict,
            inline(gate.why, words),
        ]
        for gate in gates
    ]
    return table(["gate", "required", "measured", "95 % bounds", "verdict", "why"], rows, most)


def footer_text(report: Report) -> str:
    """Say what the figures rest on: the test set and its wear, near rows, the seed, versions."""
    made, n = report.provenance, len(report.rows) or report.headline.n
    digest = f" {made.digests['test'][:12]}" if "test" in made.digests else ""
    told = [f"Test set{digest}, {n} rows."]
    if report.wear and not report.wear.worn:  # else it stands at the top
        told.append(inline(report.wear.message, 300))
    if report.near_rows:
        told.append(f"Scored with and without the {report.near_rows} rows near training rows.")
    tools = made.scored_with or made.environment
    versions = [f"{inline(name, 20)} {inline(tools[name], 40)}" for name in _TOOLS if name in tools]
    return " ".join([*told, ", ".join([f"Seed {made.seed}", *versions]) + "."])


_TOOLS = ("gitune", "python", "torch", "transformers", "xllamacpp", "numpy")
"""What the footer names of the environment; the rest stands under how it was made."""
