"""What this GitHub remembers beside git: plain records, changed in place by the routes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

WRITERS = ("admin", "maintain", "write")


def now() -> str:
    """The time as GitHub writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Token:
    """Who acts: an App's installation (`app` is its slug; `github-actions` for GITHUB_TOKEN) or a person (`app` is None)."""

    text: str
    login: str
    app: str | None
    permissions: Mapping[str, str]

    def may(self, permission: str, level: str) -> bool:
        """Whether it has `contents`, `write` or whatever else is asked."""
        held = self.permissions.get(permission)
        return held == "write" or (held is not None and held == level)


@dataclass(frozen=True)
class Request:
    """One request that came in, with the answer's status."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    login: str | None
    status: int


@dataclass(frozen=True)
class Fault:
    """What the next request meets in place of its answer; only one that matches `method` and `path`, if told."""

    status: int
    message: str = "Server Error"
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str | None = None
    path: str = ""
    after: bool = False
    """Whether the request is carried out first, and only its answer is lost."""

    @classmethod
    def secondary_limit(cls, seconds: int | None = 1, **match: Any) -> Fault:
        """Too many requests at once; wait this long."""
        headers = {} if seconds is None else {"Retry-After": str(seconds)}
        text = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
        return cls(403, text, headers, **match)

    @classmethod
    def primary_limit(cls, seconds: int = 1, **match: Any) -> Fault:
        """The hour's requests are used up, for this many seconds more."""
        reset = int(datetime.now(UTC).timestamp()) + seconds
        headers = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)}
        return cls(403, "API rate limit exceeded for installation ID 1.", headers, **match)


@dataclass
class Comment:
    """A comment on an issue or a pull request."""

    id: int
    number: int
    login: str
    body: str
    app: str | None = None
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)
    reactions: dict[tuple[str, str], int] = field(default_factory=dict)
    """(content, login) -> id."""

    @property
    def contents(self) -> list[str]:
        """Which reactions it has."""
        return [content for content, _ in self.reactions]


@dataclass
class Issue:
    """An issue; a pull request has one under its own number."""

    number: int
    title: str
    body: str
    login: str
    state: str = "open"
    state_reason: str | None = None
    labels: list[str] = field(default_factory=list)
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)
    closed_at: str | None = None


@dataclass
class Review:
    """Somebody's opinion of one commit of a pull request."""

    id: int
    login: str
    state: str
    commit: str
    body: str = ""
    submitted_at: str = field(default_factory=now)


@dataclass
class PullRequest:
    """A pull request; its head is where its branch was when it was last looked at."""

    number: int
    branch: str
    base: str
    fork: str | None
    head: str
    base_sha: str
    draft: bool = False
    merged: str | None = None
    merged_at: str | None = None
    rebased: list[str] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)


@dataclass
class CheckRun:
    """A check run, owned by the App that made it."""

    id: int
    app: str
    name: str
    head_sha: str
    status: str = "queued"
    conclusion: str | None = None
    details_url: str | None = None
    external_id: str = ""
    output: dict[str, Any] = field(default_factory=dict)
    started_at: str | None = field(default_factory=now)
    completed_at: str | None = None
    edits: int = 0
    """How often it was updated."""


@dataclass
class Status:
    """A commit status."""

    id: int
    sha: str
    state: str
    context: str
    description: str | None
    target_url: str | None
    login: str
    created_at: str = field(default_factory=now)


@dataclass
class Release:
    """A release of the repository."""

    id: int
    tag_name: str
    name: str
    body: str
    login: str
    draft: bool = False
    prerelease: bool = False
    target_commitish: str = "main"
    created_at: str = field(default_factory=now)


@dataclass
class WorkflowRun:
    """A run of a workflow: what events of `workflow_run` and the list of runs tell."""

    id: int
    path: str
    name: str
    event: str
    head_sha: str
    head_branch: str
    display_title: str
    status: str = "queued"
    conclusion: str | None = None
    actor: str = "github-actions[bot]"
    fork: str | None = None
    attempt: int = 1
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)


@dataclass(frozen=True)
class Dispatch:
    """A workflow that somebody asked to run."""

    workflow: str
    ref: str
    inputs: dict[str, str]
    login: str
