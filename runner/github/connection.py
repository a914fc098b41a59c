"""A job's environment -> the repository on GitHub, and who we are there.

PyGithub speaks; nobody else in the project imports it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.errors import GituneError, TransientError, UsageError

if TYPE_CHECKING:
    from github.Repository import Repository

APP_TOKEN, APP_SLUG, TOKEN = "GITUNE_APP_TOKEN", "GITUNE_APP_SLUG", "GITHUB_TOKEN"
ACTIONS = "github-actions"
"""Slug of the App whose token every job has as GITHUB_TOKEN."""

PAUSE = 1.0
"""Seconds between two requests that change something, as GitHub asks of everybody."""

_REPOSITORY = re.compile(r"[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}")


@dataclass(frozen=True, slots=True)
class Connection:
    """A repository on GitHub, as one identity may use it."""

    repository: Repository
    app: str | None
    """Slug of the App that we are; None for a person's token."""
    login: str
    """Under which name our comments appear."""
    token: str = field(repr=False)
    """Credential; for git as well."""

    @property
    def is_own_app(self) -> bool:
        """Whether other jobs of the repository cannot write in our name."""
        return self.app not in (None, ACTIONS)


def connect(environ: Mapping[str, str]) -> Connection:
    """Open the repository that a job runs for: by the App's token where there is one, else by the job's own.

    Raises:
        UsageError: when the environment names no repository, token or identity, or an extra is missing.
        GituneError: when GitHub refuses the token.
        TransientError: when GitHub cannot be reached.
    """
    name = environ.get("GITHUB_REPOSITORY", "")
    if _REPOSITORY.fullmatch(name) is None:
        raise UsageError("GITHUB_REPOSITORY names no repository", hint="set it to OWNER/NAME; a workflow has it")
    app_token = environ.get(APP_TOKEN, "")
    token = app_token or environ.get(TOKEN, "")
    if not token:
        raise UsageError(f"there is no token for {name}", hint=f"set {TOKEN}, or {APP_TOKEN} of a GitHub App")
    app = _app(environ, own=bool(app_token))
    try:
        from github import Auth, Github

        from runner.github.patience import Patience
    except ImportError as error:
        raise UsageError("PyGithub is not installed", hint="pip install 'gitune[github]'") from error
    url = environ.get("GITHUB_API_URL") or "https://api.github.com"
    hub = Github(
        auth=Auth.Token(token),
        base_url=url,
        per_page=100,
        timeout=30,
        retry=Patience.usual(),
        seconds_between_requests=0,
        seconds_between_writes=PAUSE,
    )
    with github_errors(f"opening {name}"):
        login = f"{app}[bot]" if app else hub.get_user().login
        return Connection(hub.get_repo(name), app, login, token)


def _app(environ: Mapping[str, str], *, own: bool) -> str | None:
    if not own:
        return ACTIONS if environ.get("GITHUB_ACTIONS") == "true" else None
    if slug := environ.get(APP_SLUG, ""):
        return slug
    raise UsageError(
        f"{APP_TOKEN} is set and {APP_SLUG} is not: an installation token does not say whose it is",
        hint="set it to the `app-slug` output of actions/create-github-app-token",
    )


@contextmanager
def github_errors(doing: str) -> Iterator[None]:
    """Turn what PyGithub raises in the block into our errors: what was being done, what GitHub said, what to do.

    Raises:
        TransientError: when GitHub could not be reached, or was too busy for as long as we waited.
        GituneError: for a refusal.
    """
    from github import GithubException
    from requests import RequestException

    try:
        yield
    except GithubException as error:
        raise _refusal(doing, error) from None
    except RequestException as error:
        # Tokens travel in a header, never in what these say.
        reason = getattr(error.args[0] if error.args else None, "reason", None) or type(error).__name__
        raise TransientError(f"{doing}: GitHub cannot be reached ({reason})", hint="run again") from None


def status_of(error: BaseException) -> int | None:
    """Return the HTTP status of what PyGithub raised, where it is that."""
    status = getattr(error, "status", None)
    return status if isinstance(status, int) else None


_SERVER_FAULT = 500
_HINTS = {
    401: "the token is wrong or has expired",
    403: "the token may not do this: see the permissions table in docs/github.md",
    404: "it is not there, or the token may not see it",
}


def _refusal(doing: str, error: Exception) -> GituneError:
    status = status_of(error) or 0
    data = getattr(error, "data", None)
    said = str(data.get("message", "")) if isinstance(data, dict) else str(data or "")
    told = " ".join(said.split())[:300] or type(error).__name__
    message = f"{doing}: GitHub answered {status} ({told})"
    if status >= _SERVER_FAULT or "rate limit" in told.lower():
        return TransientError(message, hint="run again later")
    return GituneError(message, hint=_HINTS.get(status, ""))
