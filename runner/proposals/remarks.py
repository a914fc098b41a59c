"""What a comment says besides its specs: who must agree, what does not load, commands, earlier verdicts, the footer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.proposals.context import CommentContext
from runner.proposals.history import PastVerdict
from runner.proposals.model import BarChange, Proposal, ProposedSpec
from runner.proposals.overview import link
from runner.proposals.words import ICONS, by_importance
from runner.report.escape import fence, inline, sentence
from runner.report.markdown_section import Section, details

_LINES = (30, 10, 3, 1)
_COMMANDS = (10, 3, 1)
_DIGESTS = 5


def faults_section(proposal: Proposal) -> Iterator[Section]:
    """What keeps the whole proposal from being judged, line by line."""
    if proposal.faults:
        lines = [f"- {sentence(fault, 500)}" for fault in proposal.faults]
        yield Section("errors", 0, lambda most: _first_of(lines, most, "errors"), _LINES)


def bar_section(proposal: Proposal) -> Iterator[Section]:
    """Who must agree to changes of how models are judged, and who did."""
    if not proposal.bar:
        return
    head = "**This changes how models are judged, or what runs:**"
    # What nobody agreed to yet comes first.
    lines = [_change(one) for one in sorted(proposal.bar, key=lambda one: one.settled)]
    yield Section("who must agree", 0, lambda most: f"{head}\n\n{_first_of(lines, most, 'changes')}", _LINES)


def _change(one: BarChange) -> str:
    what = f"{inline(one.what, 200)} ({inline(one.path, 200)})"
    if one.approved_by is not None:
        return f"- {ICONS['success']} {what}: approved by {inline(one.approved_by, 60)}"
    if not one.owners:
        return f"- {what}: CODEOWNERS names nobody who would have to agree"
    return f"- {ICONS['pending']} {what}: an approving review of {inline(' or '.join(one.owners), 200)} is needed"


def _first_of(lines: Sequence[str], most: int, what: str) -> str:
    more = [f"- and {len(lines) - most} more {what}"] if len(lines) > most else []
    return "\n".join([*lines[:most], *more])


def commands_section(proposal: Proposal, context: CommentContext) -> Iterator[Section]:
    """What to type: here, and on a machine of one's own."""
    specs = by_importance(proposal)

    def write(most: int) -> str:
        here = [*_here(proposal, specs[:most])] if context.commands else []
        local = [f"gitune plan --base {proposal.base_ref} --through evaluate"]
        local += [f"gitune apply {spec.name} --through evaluate" for spec in specs[:most] if spec.state != "removed"]
        shown = ["As a comment here, by somebody with write permission:", fence("\n".join(here))] if here else []
        return details("Commands", "\n\n".join([*shown, "On a machine of your own:", fence("\n".join(local), "sh")]))

    yield Section("commands", 3, write, _COMMANDS)


def _here(proposal: Proposal, specs: Sequence[ProposedSpec]) -> Iterator[str]:
    yield "/gitune plan"
    at = f"@{proposal.head[:12]}"
    for spec in specs:
        if spec.state in ("waiting", "missing", "failed", "judged"):
            yield f"/gitune retrain {spec.name}{at}"
        if spec.report is not None and spec.report.outcome == "INCONCLUSIVE" and not spec.report.releasable:
            yield f"/gitune approve {spec.name}{at} why the risk is worth it"


def history_section(past: Sequence[PastVerdict]) -> Iterator[Section]:
    """Earlier verdicts, newest first, folded."""
    if not past:
        return
    lines = [_past(one) for one in past]
    title = f"{len(past)} earlier verdict{'s' * (len(past) != 1)}"
    yield Section("earlier verdicts", 3, lambda most: details(title, "\n".join(lines[:most])), (20, 5, 1))


def _past(one: PastVerdict) -> str:
    at = f", {one.at:%Y-%m-%d %H:%M} UTC" if one.at else ""
    run = f" ({link('run', one.run_url)})" if one.run_url else ""
    return f"- {ICONS[one.conclusion]} {inline(one.sha[:12])}{at}: {inline(one.headline, 200)}{run}"


def footer_text(proposal: Proposal, context: CommentContext) -> str:
    """Say what exactly was judged, with what, and until when that holds."""
    base = f"base {inline(proposal.base[:12])} of {inline(proposal.base_ref, 80)}"
    told = [f"Head {inline(proposal.head[:12])}, {base}."]
    if proposal.plan is not None:
        told.append(f"Plan {proposal.plan.digest[:12]}.")
    tests = [
        f"{inline(spec.name, 60)} {inline(spec.report.provenance.digests['test'][:12])}"
        for spec in proposal.specs
        if spec.report is not None and "test" in spec.report.provenance.digests
    ]
    if tests:
        more = f" and {len(tests) - _DIGESTS} more" if len(tests) > _DIGESTS else ""
        told.append(f"Test sets: {', '.join(tests[:_DIGESTS])}{more}.")
    until = f", at the latest on {context.expires:%Y-%m-%d %H:%M} UTC" if context.expires else ""
    told.append(f"This ends to hold with the next commit, and when what is live changes{until}.")
    told.append(f"Gitune {inline(proposal.tool, 40)}.")
    return f"<sub>{' '.join(told)}</sub>"
