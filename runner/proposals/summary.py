"""`Proposal` -> the job's summary: what the comment says, with ten times the room and nothing hidden."""

from __future__ import annotations

from runner.proposals.context import CommentContext
from runner.proposals.history import with_verdict
from runner.proposals.markdown import body_of, verdict_now
from runner.proposals.model import Proposal

LIMIT = 1_000_000
"""UTF-8 bytes; GitHub drops a step's summary above 1 MiB."""


def render_summary(proposal: Proposal, context: CommentContext, limit: int = LIMIT) -> str:
    """Render a proposal as Markdown of at most so many UTF-8 bytes."""
    verdicts = with_verdict(verdict_now(proposal, context), context.history)
    text = body_of(proposal, context, verdicts, limit - 1)
    if len(text.encode()) >= limit:
        # No UTF-16 unit takes more than three bytes.
        text = body_of(proposal, context, verdicts, limit // 3)
    return text + "\n"
