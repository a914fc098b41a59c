"""`Proposal` -> JUnit XML: a suite for each spec, with its gates as cases; what could not be judged is an error."""

from __future__ import annotations

from runner.proposals.model import Proposal
from runner.proposals.words import state_words
from runner.report.junit import add_error, add_pass, add_report, root_element, written


def render_junit(proposal: Proposal) -> str:
    """Render every spec as a suite; faults of the whole proposal are one of their own."""
    root = root_element()
    for fault in proposal.faults:
        add_error(root, "specs", "SpecError", fault)
    for spec in proposal.specs:
        name = f"{spec.name} {spec.version}".rstrip()
        if spec.report is not None and spec.state == "judged":
            add_report(root, spec.report)
        elif spec.conclusion == "success":
            add_pass(root, name, state_words(spec))
        else:
            add_error(root, name, spec.state, spec.reason or state_words(spec))
    return written(root)
