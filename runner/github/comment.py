"""The one comment of a pull request: found by its marker and its author, edited in place."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from runner.github.connection import Connection, github_errors, status_of

if TYPE_CHECKING:
    from github.IssueComment import IssueComment

LIMITS = (60_000, 30_000, 10_000)
"""UTF-16 units to try: GitHub says to take 65,536, and counts some texts longer than we do."""

_TOO_LONG = 422


def find_comment(connection: Connection, number: int, marker: str) -> IssueComment | None:
    """Return our own comment with a marker, the oldest; later ones of two jobs that met are deleted.

    A comment of somebody else that carries the marker is not ours.

    Raises:
        GituneError: when GitHub refuses.
    """
    from github import UnknownObjectException

    with github_errors(f"reading the comments of #{number}"):
        comments = connection.repository.get_pull(number).get_issue_comments()
        own = [one for one in comments if one.user and one.user.login == connection.login and marker in one.body]
        for later in own[1:]:
            with suppress(UnknownObjectException):
                later.delete()
    return own[0] if own else None


def publish_comment(
    connection: Connection, number: int, known: IssueComment | None, render: Callable[[int], str]
) -> IssueComment:
    """Write the comment, shorter where GitHub refuses its length; nothing happens where it says just this already.

    Args:
        connection: the repository.
        number: the pull request.
        known: what `find_comment` found.
        render: writes it within so many UTF-16 units.

    Raises:
        GituneError: when GitHub refuses.
    """
    from github import GithubException

    with github_errors(f"commenting on #{number}"):
        for limit in LIMITS:
            body = render(limit)
            if known is not None and known.body == body:
                return known
            try:
                if known is None:
                    return connection.repository.get_pull(number).create_issue_comment(body)
                known.edit(body)
            except GithubException as error:
                if status_of(error) != _TOO_LONG or limit == LIMITS[-1]:
                    raise
            else:
                return known
    raise AssertionError  # the last limit returns or raises
