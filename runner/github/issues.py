"""What has drifted -> one issue, opened, kept up to date and closed: `tell_drift(connection, drifts)`.

The issue is found by its label, a hidden marker and its author, so that nobody else's is ever changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runner.drift.finding import Drift
from runner.github.connection import Connection, github_errors
from runner.report.escape import code, inline, sentence

if TYPE_CHECKING:
    from github.Issue import Issue

LABEL = "gitune-drift"
MARKER = "<!-- gitune:drift -->"

_LISTED = 50
"""Findings that the issue lists: with 400 characters for each part it stays below GitHub's 65,536."""


def tell_drift(connection: Connection, drifts: Sequence[Drift]) -> str:
    """Open, update or close the issue, and say in words what was done.

    Args:
        connection: the repository.
        drifts: what was found; none closes the issue.

    Raises:
        GituneError: when GitHub refuses.
    """
    with github_errors("telling of drift"):
        issue = _find(connection)
        if not drifts:
            return _close(issue)
        title, body = title_of(drifts), render_issue(drifts)
        if issue is None:
            opened = connection.repository.create_issue(title=title, body=body, labels=[LABEL])
            return f"opened {opened.html_url}"
        if (issue.title, _lines(issue.body)) == (title, _lines(body)):
            return f"told already in {issue.html_url}"
        issue.edit(title=title, body=body)
        return f"updated {issue.html_url}"


def title_of(drifts: Sequence[Drift]) -> str:
    """Return the issue's title, `Drift: 2 findings`."""
    return f"Drift: {len(drifts)} finding{'' if len(drifts) == 1 else 's'}"


def render_issue(drifts: Sequence[Drift]) -> str:
    """Say each finding with its remedy; the same findings give the same text, whenever they are told."""
    lines = [MARKER, "What is live is not what the deploy branch, the registry or the servers say.", ""]
    for drift in drifts[:_LISTED]:
        lines += [
            f"- **{inline(drift.where)}** {code(drift.code)}: {inline(drift.what)}",
            f"  {sentence(drift.remedy)}",
        ]
    if len(drifts) > _LISTED:
        lines.append(f"- … and {len(drifts) - _LISTED} more")
    lines += [
        "",
        "`gitune status --probe` shows the same. Nothing mends itself; this issue is closed once all is well.",
    ]
    return "\n".join(lines) + "\n"


def _lines(body: str | None) -> list[str]:
    """Return a body's lines, however GitHub ends them."""
    return (body or "").strip().splitlines()


def _find(connection: Connection) -> Issue | None:
    """Return our open issue, the oldest where there are several."""
    found = connection.repository.get_issues(state="open", labels=[LABEL], direction="asc")
    own = (one for one in found if one.user.login == connection.login and one.pull_request is None)
    return next((one for one in own if MARKER in (one.body or "")), None)


def _close(issue: Issue | None) -> str:
    if issue is None:
        return "nothing has drifted"
    issue.create_comment("All is well again: nothing drifts any more.")
    issue.edit(state="closed", state_reason="completed")
    return f"nothing drifts any more; closed {issue.html_url}"
