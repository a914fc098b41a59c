"""`Proposal` -> the one comment of a pull request; `proposals.summary` writes the job summary from the same parts.

The verdict stands alone in the first line that people see, and the table keeps every spec's. What is left of the room
is shared fairly by the specs, those in the way first; whatever is not there is counted. All text of specs, data and
models is shown by `runner.report.escape`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from runner.proposals.context import LIMIT, CommentContext
from runner.proposals.history import PastVerdict, with_verdict, write_history
from runner.proposals.masking import masked_proposal
from runner.proposals.model import Proposal, ProposedSpec
from runner.proposals.overview import link, overview, shortest
from runner.proposals.remarks import bar_section, commands_section, faults_section, footer_text, history_section
from runner.proposals.spec_section import LEAST, spec_section
from runner.proposals.words import ICONS, by_importance, decision, headline
from runner.report.costs import total_lines
from runner.report.escape import inline
from runner.report.markdown_section import Section, fit, left_out, length

__all__ = ["LIMIT", "MARKER", "CommentContext", "body_of", "headline", "out_of_date", "render_comment", "verdict_now"]

MARKER = "<!-- gitune:proposal -->"
"""First line of our comment, by which it is found again."""

_RESERVED = 600
"""Room for saying what was left out."""
_STALE = "⚠️ **Out of date.**"
_STALE_LINE = re.compile(rf"\n\n{re.escape(_STALE)}[^\n]*")


def render_comment(proposal: Proposal, context: CommentContext) -> str:
    """Render a proposal as one comment of at most `context.limit` UTF-16 units.

    The same proposal and history give the same text, so that nothing is edited when nothing is new.
    """
    verdicts = with_verdict(verdict_now(proposal, context), context.history)
    hidden = write_history(verdicts)
    body = body_of(proposal, context, verdicts, context.limit - length(MARKER) - length(hidden))
    return f"{MARKER}\n{body}\n\n{hidden}\n"


def verdict_now(proposal: Proposal, context: CommentContext) -> PastVerdict:
    """Return what is said of the proposal, as it is kept once there is a newer one."""
    return PastVerdict(
        sha=proposal.head,
        conclusion=proposal.conclusion,
        headline=headline(proposal),
        at=context.at,
        run_url=context.run_url,
    )


def out_of_date(body: str, newer: str) -> str:
    """Say in a comment of ours that a newer commit was pushed, below its verdict; once, whatever it said before."""
    verdict, blank, rest = _STALE_LINE.sub("", body).partition("\n\n")
    return f"{verdict}\n\n{_stale_text(newer)}{blank}{rest}"


def body_of(proposal: Proposal, context: CommentContext, verdicts: Sequence[PastVerdict], limit: int) -> str:
    """Render everything that people see, within so many UTF-16 units.

    Args:
        proposal: what is told.
        context: where and how.
        verdicts: those about this proposal, that of now first.
        limit: UTF-16 units.
    """
    shown = masked_proposal(proposal, context.examples)
    specs = by_importance(shown)
    first = [_first(proposal, verdicts[0]), *([_stale_text(context.stale)] if context.stale else [])]
    last = [*_unchanged(proposal), footer_text(shown, context)]
    room = limit - _RESERVED - sum(map(length, [*first, *last]))
    above = [*faults_section(shown), *bar_section(shown), *_table(specs, room // 2), *_totals(shown)]
    below = [*commands_section(shown, context), *history_section(verdicts[1:])]
    texts = fit([*above, *below], room)
    missing = left_out([*above, *below], texts)
    room -= sum(length(text) for text in texts if text)
    told, untold = _sections(specs, room)
    if untold:
        missing.append(f"the details of {untold} {'spec' if untold == 1 else 'specs'}")
    parts = [*first, *texts[: len(above)], *told, *texts[len(above) :]]
    if missing:
        parts.append(f"Left out, because the text would be too long: {', '.join(missing)}.")
    return "\n\n".join(text for text in [*parts, *last] if text)


def _first(proposal: Proposal, verdict: PastVerdict) -> str:
    said = headline(proposal).removeprefix(f"{decision(proposal)}: ")
    run = f" ({link('run', verdict.run_url)})" if verdict.run_url else ""
    icon = ICONS[proposal.conclusion]
    return f"{icon} **{decision(proposal)}**: {inline(said, 600)}, commit {inline(proposal.head[:12])}{run}"


def _stale_text(newer: str) -> str:
    return f"{_STALE} Commit {inline(newer[:12])} was pushed since; its verdict takes this place."


def _table(specs: Sequence[ProposedSpec], room: int) -> Iterator[Section]:
    if not specs:
        return
    full = overview(specs)
    fitting = [width for width in full.most if length(full.write(width)) <= room]
    if fitting:
        yield Section(full.title, 0, full.write, fitting[:1])
    else:
        yield Section(full.title, 0, lambda rows: shortest(specs, rows), (len(specs), 200, 100, 50, 20, 5))


def _totals(proposal: Proposal) -> Iterator[Section]:
    """Say what an apply is expected to take, while something has to run."""
    if proposal.plan is None or proposal.conclusion != "pending":
        return
    if lines := [f"- {inline(line)}" for line in total_lines(proposal.plan)]:
        yield Section("what it is expected to take", 2, lambda most: "\n".join(lines[:most]), (10, 2))


def _sections(specs: Sequence[ProposedSpec], room: int) -> tuple[list[str], int]:
    """Give each spec a fair share of the room; what one leaves is for those after it. Counts the specs without any."""
    told: list[str] = []
    some = [spec for spec in specs if spec.state not in ("idle", "removed")]
    count = min(len(some), max(room, 0) // LEAST)
    for left, spec in zip(range(count, 0, -1), some, strict=False):
        text = spec_section(spec, room // left, unfolded=len(some) == 1)
        if text is not None:
            told.append(text)
            room -= length(text)
    return told, len(some) - len(told)


def _unchanged(proposal: Proposal) -> list[str]:
    if not proposal.unchanged:
        return []
    return [f"{proposal.unchanged} {'spec is' if proposal.unchanged == 1 else 'specs are'} unchanged."]
