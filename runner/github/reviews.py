"""Who approved a commit, and whether one of them owns a path."""

from __future__ import annotations

from collections.abc import Sequence

from runner.github.connection import Connection, github_errors
from runner.github.permissions import is_member, may_write
from runner.github.pull_requests import PullRequestRef

_DECIDING = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")


class Approvals:
    """Approving reviews of a pull request's head, by people who may write and did not open it."""

    def __init__(self, connection: Connection, pull: PullRequestRef) -> None:
        self._connection, self._pull = connection, pull
        self._people: list[str] | None = None

    @property
    def people(self) -> list[str]:
        """Logins, in the order of their reviews. The last deciding review of each counts, on exactly this commit."""
        if self._people is None:
            latest: dict[str, tuple[str, str]] = {}
            with github_errors(f"reading the reviews of #{self._pull.number}"):
                for review in self._connection.repository.get_pull(self._pull.number).get_reviews():
                    if review.user is not None and review.state in _DECIDING:
                        latest[review.user.login] = (review.state, review.commit_id)
            wanted = ("APPROVED", self._pull.head_sha)
            found = [who for who, said in latest.items() if said == wanted and who != self._pull.author]
            self._people = [who for who in found if may_write(self._connection.repository, who)]
        return self._people

    def of(self, path: str, owners: Sequence[str]) -> str | None:  # noqa: ARG002 - as `proposals.ground.Agreed` asks
        """Return one of a path's owners who approved."""
        return next((who for who in self.people if self.owns(who, owners)), None)

    def owns(self, login: str, owners: Sequence[str]) -> bool:
        """Whether somebody is one of these owners, by login or by team; an e-mail address names nobody here."""
        names = [owner.removeprefix("@") for owner in owners if owner.startswith("@")]
        if login.lower() in (name.lower() for name in names):
            return True
        return any(is_member(self._connection.repository, name, login) for name in names if "/" in name)
