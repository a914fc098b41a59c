"""The check run `gitune` of a commit: the one that branch protection asks for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from runner.github.connection import Connection, github_errors
from runner.proposals.model import Conclusion

if TYPE_CHECKING:
    from github.CheckRun import CheckRun

NAME = "gitune"
"""What branch protection requires, of our App where there is one."""

SUMMARY_LIMIT = 65_000
"""UTF-8 bytes of a summary; GitHub refuses 65,536."""

_TITLE_LIMIT = 250


def publish_check(
    connection: Connection, sha: str, conclusion: Conclusion, title: str, summary: str, url: str | None = None
) -> None:
    """Create or change our check run of a commit; nothing happens where it says just this already.

    Args:
        connection: the repository, as the App that owns the check.
        sha: the commit.
        conclusion: `pending` is shown as under way.
        title: one line.
        summary: Markdown, cut to what GitHub takes.
        url: where the details link leads.

    Raises:
        GituneError: when GitHub refuses.
    """
    output: dict[str, Any] = {"title": title[:_TITLE_LIMIT], "summary": _cut(summary)}
    state: dict[str, Any] = {"status": "in_progress"}
    if conclusion != "pending":
        state = {"status": "completed", "conclusion": conclusion, "completed_at": datetime.now(UTC)}
    if url:
        state["details_url"] = url
    with github_errors(f"publishing the check of {sha[:12]}"):
        known = _own(connection, sha)
        if known is None or (known.status == "completed" and conclusion == "pending"):
            # A check that has ended is not begun again: a new one takes its place.
            connection.repository.create_check_run(NAME, sha, output=output, **state)
        elif not _says_so(known, state, output):
            known.edit(output=output, **state)


def withdraw_check(connection: Connection, sha: str, why: str, url: str | None = None) -> None:
    """Take back a check that says success, before anybody has judged again; others say nothing that could mislead.

    Raises:
        GituneError: when GitHub refuses.
    """
    with github_errors(f"reading the check of {sha[:12]}"):
        known = _own(connection, sha)
    if known is not None and known.conclusion == "success":
        publish_check(connection, sha, "pending", why, "The comment says what was found before.", url)


def _own(connection: Connection, sha: str) -> CheckRun | None:
    runs = connection.repository.get_commit(sha).get_check_runs(check_name=NAME)
    return next((run for run in runs if run.app and run.app.slug == connection.app), None)


def _says_so(known: CheckRun, state: dict[str, Any], output: dict[str, str]) -> bool:
    same = known.status == state["status"] and known.conclusion == state.get("conclusion")
    return bool(same and known.output.title == output["title"] and known.output.summary == output["summary"])


def _cut(text: str) -> str:
    data = text.encode(errors="replace")
    if len(data) <= SUMMARY_LIMIT:
        return data.decode()
    whole_lines = data.rfind(b"\n", 0, SUMMARY_LIMIT)
    end = whole_lines if whole_lines > 0 else SUMMARY_LIMIT
    return data[:end].decode(errors="ignore") + "\n\n… cut: the comment says more."
