"""What people may do in the repository."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from runner.github.connection import github_errors

if TYPE_CHECKING:
    from github.Repository import Repository

# An underscore stands in the logins that enterprises manage.
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


def may_write(repository: Repository, login: str) -> bool:
    """Whether somebody may push to the repository. Bots may not, nor who has no login of a person."""
    if _LOGIN.fullmatch(login) is None:
        return False
    from github import UnknownObjectException

    with github_errors(f"asking what {login} may do"):
        try:
            return repository.get_collaborator_permission(login) in ("admin", "maintain", "write")
        except UnknownObjectException:
            return False


def is_member(repository: Repository, team: str, login: str) -> bool:
    """Whether somebody is in a team such as `org/data`; where the token may not ask, nobody is."""
    organization, _, slug = team.partition("/")
    if _LOGIN.fullmatch(login) is None or organization != repository.owner.login:
        return False
    from github import GithubException

    path = f"/orgs/{organization}/teams/{slug}/memberships/{login}"
    try:
        _, data = repository.requester.requestJsonAndCheck("GET", path)
    except GithubException:
        return False
    return bool(data and data.get("state") == "active")
