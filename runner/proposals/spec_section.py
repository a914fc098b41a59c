"""One spec of a proposal -> its folded section: what was planned, and once it is judged, what was found."""

from __future__ import annotations

from collections.abc import Iterator

from runner.proposals.model import ProposedSpec
from runner.proposals.words import state_words
from runner.report.escape import fence, inline
from runner.report.markdown import footer_text, sections_of, verdict_text
from runner.report.markdown_section import Section, details, fit, left_out, length
from runner.report.model import Report
from runner.report.plan_markdown import steps_text

LEAST = 1_500
"""UTF-16 units below which a section says nothing that the table does not."""

_FRAME = 200
"""Room for what wraps the parts and names those that were left out."""


def spec_section(spec: ProposedSpec, room: int, *, unfolded: bool = False) -> str | None:
    """Render a section within so many UTF-16 units; None where nothing of it fits, or there is nothing to say."""
    summary = inline(f"{spec.name} {spec.version}".strip() + f": {state_words(spec)}", 120)
    report = spec.report if spec.state == "judged" else None
    sections = [*_before(spec), *(_judged(report, room // 2) if report else ()), *_after(spec)]
    inner = room - length(details(summary, "")) - _FRAME
    chosen = fit(sections, inner)
    parts = [text for text in chosen if text]
    if not parts:
        return None
    if missing := left_out(sections, chosen):
        # Told only as far as the frame has room for it.
        named = ", ".join(missing)
        parts.append(f"Left out: {named if len(named) < _FRAME // 2 else f'{len(missing)} parts'}.")
    return details(summary, "\n\n".join(parts), unfolded=unfolded)


def _before(spec: ProposedSpec) -> Iterator[Section]:
    if spec.reason:
        yield Section("why", -2, lambda most: fence(_cut(spec.reason, most)), (4000, 1000, 300))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _judged(report: Report, room: int) -> Iterator[Section]:
    # Half of the room at most, so that a hundred gates do not push out every example.
    yield Section("the gates", -1, lambda most: verdict_text(report, most), (max(room, 1), 1))
    yield from sections_of(report)
    yield Section("what the figures rest on", 1, lambda _: footer_text(report), (1,))


def _after(spec: ProposedSpec) -> Iterator[Section]:
    if spec.plan is None or spec.plan.removed is not None:
        return
    plan, rank = spec.plan, 4 if spec.report else -1
    title = inline(f"Plan: {plan.file}, champion: {plan.champion or 'none'}", 200)
    yield Section("the plan", rank, lambda words: details(title, steps_text(plan, words)), (600, 200, 60, 20))
