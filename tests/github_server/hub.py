"""The state of this GitHub, and what people do on its pages: open, review, comment, merge."""

from __future__ import annotations

import itertools
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from github_server.bare import Bare
from github_server.http import Refused, invalid, not_found
from github_server.state import (
    WRITERS,
    CheckRun,
    Comment,
    Dispatch,
    Fault,
    Issue,
    PullRequest,
    Release,
    Request,
    Review,
    Status,
    Token,
    WorkflowRun,
    now,
)

SCOPES = (
    "actions", "administration", "checks", "contents", "issues", "members", "pull-requests", "statuses", "workflows",
)  # fmt: skip
ROLES = {"admin": "admin", "maintain": "write", "write": "write", "triage": "read", "read": "read"}
"""Role -> what the API calls `permission`."""


class Hub:
    """Everything that is remembered. Methods are for tests; routes use the same ones."""

    def __init__(self, remote: Path, *, private: bool = False, full_name: str = "org/app"):
        self.git = Bare(Path(remote))
        self.private = private
        self.full_name = full_name
        self.url = ""
        self.lock = threading.RLock()
        self.default_branch = self.git.git("symbolic-ref", "--short", "HEAD")
        self.people: dict[str, str] = {"ada": "admin"}
        self.teams: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, Token] = {}
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self.actions_may_open_pull_requests = False
        self.required: dict[str, str | None] = {}
        self.pulls: dict[int, PullRequest] = {}
        self.issues_by_number: dict[int, Issue] = {}
        self.all_comments: dict[int, Comment] = {}
        self.all_checks: dict[int, CheckRun] = {}
        self.all_statuses: list[Status] = []
        self.labels: dict[str, dict[str, Any]] = {}
        self.all_releases: dict[int, Release] = {}
        self.runs: dict[int, WorkflowRun] = {}
        self.dispatches: list[Dispatch] = []
        self._ids = itertools.count(1001)
        self._numbers = itertools.count(1)

    def new_id(self) -> int:
        """A number that nothing else here has."""
        return next(self._ids)

    # Tokens and people

    def token(
        self, permissions: Mapping[str, str] | None = None, app: str | None = None, *, user: str | None = None
    ) -> str:
        """A token: of a job (GITHUB_TOKEN) or, with `app`, of an App with these permissions, or of a person."""
        if user:
            level = ROLES.get(self.people.get(user, ""), "")
            scopes = dict.fromkeys(SCOPES, "write" if level in ("admin", "write") else "read")
            entry = Token(f"ghp_{secrets.token_hex(18)}", user, None, scopes if level else {"contents": "read"})
        else:
            slug = app or "github-actions"
            text = f"ghs_{secrets.token_hex(18)}"
            entry = Token(text, f"{slug}[bot]", slug, {"metadata": "read", **(permissions or {})})
        self.tokens[entry.text] = entry
        return entry.text

    def role(self, login: str) -> str:
        """What somebody may do: a role, or `none`."""
        return self.people.get(login, "none" if self.private else "read")

    # Pull requests

    def open_pull_request(
        self,
        branch: str,
        title: str,
        author: str = "bob",
        *,
        fork: bool = False,
        base: str | None = None,
        body: str = "",
        draft: bool = False,
    ) -> int:
        """Open a pull request of a branch that was pushed; that of a fork leaves the repository's branches."""
        with self.lock:
            base = base or self.default_branch
            head, onto = self.git.commit(f"refs/heads/{branch}"), self.git.commit(f"refs/heads/{base}")
            for field, there in (("head", head), ("base", onto)):
                if there is None:
                    raise invalid("PullRequest", field)
            if not self.git.between(onto, head):
                raise self._no_pull_request(f"No commits between {base} and {branch}")
            same = (
                pull for pull in self.pulls.values() if (pull.branch, pull.base) == (branch, base) and not pull.fork
            )
            if any(self._is_open(pull) for pull in same):
                owner = self.full_name.split("/")[0]
                raise self._no_pull_request(f"A pull request already exists for {owner}:{branch}.")
            number = next(self._numbers)
            source = f"{author}/{self.full_name.split('/')[1]}" if fork else None
            self.issues_by_number[number] = Issue(number, title, body, author)
            self.pulls[number] = PullRequest(number, branch, base, source, head, onto, draft)
            self.sync()
            return number

    @staticmethod
    def _no_pull_request(message: str) -> Refused:
        return Refused(422, "Validation Failed", {"resource": "PullRequest", "code": "custom", "message": message})

    def _is_open(self, pull: PullRequest) -> bool:
        return self.issues_by_number[pull.number].state == "open"

    def sync(self) -> None:
        """Let open pull requests follow their branches, as a push does."""
        with self.lock:
            for pull in self.pulls.values():
                tip = self.git.commit(f"refs/heads/{pull.branch}")
                if not self._is_open(pull) or tip is None:
                    continue
                pull.head = tip
                pull.base_sha = self.git.merge_base(self.git.commit(pull.base) or tip, tip) or pull.base_sha
                self.git.git("update-ref", f"refs/pull/{pull.number}/head", tip)
                if pull.fork:
                    self.git.git("update-ref", "-d", f"refs/heads/{pull.branch}")

    def pull(self, number: int | str) -> PullRequest:
        """A pull request as it is now."""
        self.sync()
        found = self.pulls.get(int(number)) if str(number).isdigit() else None
        if found is None:
            raise not_found()
        return found

    def pull_files(self, pull: PullRequest) -> list[dict[str, Any]]:
        """Files that a pull request changes."""
        return self.git.files(pull.base_sha, pull.head)

    def review(self, number: int, login: str, state: str = "APPROVED", commit: str | None = None) -> Review:
        """Review a pull request: APPROVED, CHANGES_REQUESTED, COMMENTED or DISMISSED."""
        with self.lock:
            pull = self.pull(number)
            entry = Review(self.new_id(), login, state, commit or pull.head)
            pull.reviews.append(entry)
            return entry

    def close(self, number: int) -> None:
        """Close an issue or a pull request."""
        entry = self.issues_by_number[number]
        entry.state, entry.closed_at = "closed", now()

    def reopen(self, number: int) -> None:
        """Open it again."""
        self.issues_by_number[number].state = "open"

    def require(self, check: str, app: str | None = None) -> None:
        """Protect the default branch: nothing is merged without success of this check, of this App if told."""
        self.required[check] = app

    def merge(self, number: int, login: str = "ada", *, method: str = "merge") -> str:
        """Merge as the button does: a merge commit or a squashed one; refused where a required check lacks."""
        with self.lock:
            pull = self.pull(number)
            if self.role(login) not in WRITERS and not login.endswith("[bot]"):
                raise Refused(403, "Resource not accessible by personal access token")
            if not self._is_open(pull) or pull.draft:
                raise Refused(405, "Pull Request is not mergeable")
            for name, app in self.required.items():
                if not self._passed(pull.head, name, app):
                    raise Refused(405, f'Required status check "{name}" is expected.')
            onto = self.git.commit(pull.base)
            title = self.issues_by_number[number].title
            message = f"Merge pull request #{number} from {self.full_name.split('/')[0]}/{pull.branch}\n\n{title}"
            merged = self.git.merge(onto, pull.head, message)
            if merged is None:
                raise Refused(405, "Pull Request is not mergeable")
            if method == "squash":
                tree = self.git.describe(merged)["tree"]
                merged = self.git.write_commit(tree, [onto], f"{title} (#{number})")
            if method == "rebase":
                pull.rebased = self.git.rebase(onto, self.git.between(onto, pull.head))
                merged = pull.rebased[-1]
            self.git.git("update-ref", f"refs/heads/{pull.base}", merged, onto)
            pull.merged, pull.merged_at = merged, now()
            self.close(number)
            return merged

    def _passed(self, sha: str, name: str, app: str | None) -> bool:
        """Whether the newest check of this name, by this App if told, is a success. A neutral one counts too."""
        runs = [run for run in self.checks(sha) if run.name == name and app in (None, run.app)]
        return bool(runs) and all(run.conclusion in ("success", "neutral", "skipped") for run in runs)

    # Issues, comments, checks

    def open_issue(self, title: str, body: str, login: str, labels: list[str] | None = None) -> Issue:
        """Open an issue; labels that lack are made."""
        with self.lock:
            entry = Issue(next(self._numbers), title, body, login, labels=list(labels or []))
            for name in entry.labels:
                self.labels.setdefault(name, {"color": "ededed", "description": None})
            self.issues_by_number[entry.number] = entry
            return entry

    @property
    def issues(self) -> list[Issue]:
        """Issues that are no pull requests, oldest first."""
        return [entry for number, entry in self.issues_by_number.items() if number not in self.pulls]

    def comment(self, number: int, login: str, body: str, app: str | None = None) -> Comment:
        """Write a comment."""
        with self.lock:
            if number not in self.issues_by_number:
                raise not_found()
            entry = Comment(self.new_id(), number, login, body, app)
            self.all_comments[entry.id] = entry
            return entry

    def comments(self, number: int) -> list[Comment]:
        """Comments of an issue or pull request, oldest first."""
        return [entry for entry in self.all_comments.values() if entry.number == number]

    def checks(self, sha: str) -> list[CheckRun]:
        """Check runs of a commit; of several of one name and App the newest, as `filter=latest` does."""
        latest = {(run.app, run.name): run for run in self.all_checks.values() if run.head_sha == sha}
        return list(latest.values())

    @property
    def releases(self) -> list[Release]:
        """Releases, oldest first."""
        return list(self.all_releases.values())

    # Workflows

    def run(self, workflow: str, *, event: str, head_sha: str, head_branch: str, **more: Any) -> WorkflowRun:
        """Enter a run of `.github/workflows/WORKFLOW`; change its `status` and `conclusion` as it goes on."""
        name = workflow.removesuffix(".yml")
        more = {"name": name, "display_title": name, **more}
        entry = WorkflowRun(
            self.new_id(),
            f".github/workflows/{workflow}",
            event=event,
            head_sha=head_sha,
            head_branch=head_branch,
            **more,
        )
        self.runs[entry.id] = entry
        return entry
