"""Which proposals an event is about, as GitHub's API confirms it: an event only says where to look."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.errors import UsageError
from runner.github.connection import github_errors
from runner.github.event import Event, is_sha

if TYPE_CHECKING:
    from github.PullRequest import PullRequest
    from github.Repository import Repository

RETRAIN = ".github/workflows/retrain.yml"
DEPLOY = ".github/workflows/deploy.yml"
REPORT = ".github/workflows/report.yml"
RETRAINS = ("workflow_run", "workflow_dispatch")
"""Events that start the default branch's retrain.yml; a pull request can have one of its own run by other events."""

_DEPLOYS = ("push", "workflow_dispatch")
_MERGED = re.compile(r"\(#([1-9]\d{0,9})\)$|^Merge pull request #([1-9]\d{0,9})\b", re.ASCII)
_QUEUE = re.compile(r"gh-readonly-queue/(?P<base>.+)/pr-(?P<number>[1-9]\d{0,9})-[0-9a-f]{40}")


@dataclass(frozen=True, slots=True)
class PullRequestRef:
    """A pull request as it is now."""

    number: int
    head_sha: str
    """Commit at its head."""
    base_ref: str
    """Branch that it is to be merged into."""
    trusted: bool
    """Whether its branch lies in the repository itself: who pushed it may write here."""
    author: str
    """Login of who opened it."""
    open: bool
    """Whether it can still be merged."""


@dataclass(frozen=True, slots=True)
class MergeGroup:
    """Pull requests that the merge queue tries together."""

    head_sha: str
    """Commit with all of them."""
    base_ref: str
    """Branch that they are to be merged into."""
    numbers: tuple[int, ...]
    """The pull requests, the last in the queue first."""


def resolve(repository: Repository, event: Event) -> list[PullRequestRef] | MergeGroup:
    """Return the open pull requests that an event is about, or the merge group.

    Raises:
        UsageError: for an event that is about none by its nature, or inputs that name none.
        GituneError: when GitHub cannot be asked.
    """
    match event.name:
        case "pull_request" | "pull_request_review":
            number = event.number("pull_request", "number")
        case "issue_comment":
            number = event.number("issue", "number") if event.at("issue", "pull_request") else None
        case "workflow_dispatch":
            return _dispatched(repository, event)
        case "workflow_run":
            return _of_run(repository, event)
        case "merge_group":
            return _group(repository, event.text("merge_group", "head_ref").removeprefix("refs/heads/"), event)
        case _:
            raise UsageError(f"the event {event.name} is about no pull request")
    return [] if number is None else [*_open(repository, number)]


def open_pull_requests(repository: Repository, base: str | None = None) -> list[PullRequestRef]:
    """Return all open pull requests, those into one branch where it is named."""
    with github_errors("listing pull requests"):
        found = repository.get_pulls(state="open", base=base) if base else repository.get_pulls(state="open")
        return [_ref(pull) for pull in found]


def pull_request(repository: Repository, number: int) -> PullRequestRef:
    """Return a pull request as it is now, open or not.

    Raises:
        GituneError: when there is none.
    """
    with github_errors(f"reading pull request #{number}"):
        return _ref(repository.get_pull(number))


def _open(repository: Repository, number: int) -> Iterator[PullRequestRef]:
    found = pull_request(repository, number)
    if found.open:
        yield found


def _dispatched(repository: Repository, event: Event) -> list[PullRequestRef]:
    number = event.number("inputs", "number")
    if number is None:
        raise UsageError("the input `number` names no pull request", hint="give its number")
    found = [*_open(repository, number)]
    if not found:
        raise UsageError(f"pull request #{number} is not open")
    asked = event.text("inputs", "sha")
    if asked and asked != found[0].head_sha:
        raise UsageError(
            f"the head of #{number} is {found[0].head_sha}, not {asked[:40]}",
            hint="look at what was pushed since, then name that commit",
        )
    return found


def _of_run(repository: Repository, event: Event) -> list[PullRequestRef] | MergeGroup:
    """Find what a run of another workflow was about. Its own list of pull requests is empty for forks."""
    path, started_by = event.text("workflow_run", "path").partition("@")[0], event.text("workflow_run", "event")
    if path == DEPLOY and started_by in _DEPLOYS:
        # Nothing moved when it had only begun.
        moved = event.text("action") == "completed"
        return open_pull_requests(repository, repository.default_branch) if moved else []
    if started_by == "merge_group":
        return _group(repository, event.text("workflow_run", "head_branch"), event)
    sha = event.text("workflow_run", "head_sha")
    if path == RETRAIN and started_by in RETRAINS:
        # It runs on the default branch, and names the commit that it trains.
        sha = event.text("workflow_run", "display_title").rpartition(" ")[2]
    if not is_sha(sha):
        return []
    return [ref for ref in open_pull_requests(repository) if ref.head_sha == sha]


def _group(repository: Repository, branch: str, event: Event) -> MergeGroup | list[PullRequestRef]:
    sha = event.text("merge_group", "head_sha") or event.text("workflow_run", "head_sha")
    found = _QUEUE.fullmatch(branch)
    if found is None or not is_sha(sha) or found["base"] != repository.default_branch:
        return []
    with github_errors("reading a merge group"):
        commits = {one.sha: one.commit.message for one in repository.compare(found["base"], sha).commits}
        pulls = [*repository.get_pulls(state="open", base=found["base"])]
    # A merge keeps a pull request's head; a squash or a rebase only names it. A name that lies adds records, all of
    # which must verify, and no verdict.
    named = {number for message in commits.values() for number in _named(message)}
    others = [pull.number for pull in pulls if pull.head.sha in commits or pull.number in named]
    last = int(found["number"])
    return MergeGroup(sha, found["base"], (last, *sorted({*others} - {last}, reverse=True)))


def _named(message: str) -> list[int]:
    return [int(number) for found in _MERGED.findall(message.partition("\n")[0].rstrip()) for number in found if number]


def _ref(pull: PullRequest) -> PullRequestRef:
    # The repository of a fork may be gone.
    same = pull.head.repo is not None and pull.head.repo.id == pull.base.repo.id
    author = pull.user.login if pull.user else ""  # of an account that is gone
    return PullRequestRef(pull.number, pull.head.sha, pull.base.ref, same, author, pull.state == "open")
