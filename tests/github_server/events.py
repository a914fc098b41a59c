"""What GitHub tells a workflow: event payloads and the environment of a job."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from github_server import views
from github_server.hub import Hub
from github_server.state import Comment, Review, WorkflowRun


class Events(Hub):
    """A hub that makes the payloads of events."""

    def environ(self, event: str, payload: dict[str, Any], token: str, app_token: str = "") -> dict[str, str]:
        """The variables of a job that this event started; `GITHUB_OUTPUT` and its kind are files of its own."""
        folder = Path(tempfile.mkdtemp(prefix="job-", dir=self.scratch))
        (folder / "event.json").write_text(json.dumps(payload))
        for name in ("output", "summary"):
            (folder / name).touch()
        variables = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.url,
            "GITHUB_GRAPHQL_URL": f"{self.url}/graphql",
            "GITHUB_SERVER_URL": self.url,
            "GITHUB_REPOSITORY": self.full_name,
            "GITHUB_REPOSITORY_OWNER": self.full_name.split("/")[0],
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(folder / "event.json"),
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "GITHUB_RUN_ID": str(self.new_id()),
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_REF": f"refs/heads/{self.default_branch}",
            "GITHUB_SHA": self.git.commit(self.default_branch) or "",
            "GITHUB_ACTOR": payload.get("sender", {}).get("login", "ada"),
            "GITHUB_TOKEN": token,
        }
        if app_token:
            variables |= {"GITUNE_APP_TOKEN": app_token, "GITUNE_APP_SLUG": self.tokens[app_token].app or ""}
        return variables

    @property
    def scratch(self) -> Path:
        """Where the files of jobs lie."""
        folder = self.git.path.parent / f"{self.git.path.name}.jobs"
        folder.mkdir(exist_ok=True)
        return folder

    def _event(self, action: str | None, sender: str, **more: Any) -> dict[str, Any]:
        named = {"action": action} if action else {}
        return {**named, **more, "repository": views.repository(self), "sender": views.user(self, sender)}

    def pull_request_event(self, number: int, action: str = "synchronize") -> dict[str, Any]:
        """`pull_request`."""
        pull = views.pull_request(self, self.pull(number))
        return self._event(action, pull["user"]["login"], number=number, pull_request=pull)

    def review_event(self, number: int, review: Review, action: str = "submitted") -> dict[str, Any]:
        """`pull_request_review`."""
        pull = views.pull_request(self, self.pull(number))
        shown = {**views.review(self, review), "state": review.state.lower()}
        return self._event(action, review.login, pull_request=pull, review=shown)

    def comment_event(self, comment: Comment, action: str = "created") -> dict[str, Any]:
        """`issue_comment`."""
        about = views.issue(self, self.issues_by_number[comment.number])
        return self._event(action, comment.login, issue=about, comment=views.comment(self, comment))

    def workflow_run_event(self, run: WorkflowRun, action: str | None = None) -> dict[str, Any]:
        """`workflow_run`; the action is that of its status if not told."""
        action = action or ("completed" if run.status == "completed" else "requested")
        shown = views.workflow_run(self, run)
        return self._event(action, run.actor, workflow_run=shown, workflow={"name": run.name, "path": run.path})

    def push_event(self, before: str, branch: str | None = None, login: str = "ada") -> dict[str, Any]:
        """`push` of what a branch gained since `before`."""
        branch = branch or self.default_branch
        after = self.git.commit(branch) or ""
        commits = [{"id": sha, "message": self.git.describe(sha)["message"]} for sha in self.git.between(before, after)]
        return self._event(None, login, ref=f"refs/heads/{branch}", before=before, after=after, commits=commits)

    def dispatch_event(self, workflow: str, login: str = "ada", **inputs: str) -> dict[str, Any]:
        """`workflow_dispatch`."""
        path = f".github/workflows/{workflow}"
        return self._event(None, login, inputs=inputs, ref=f"refs/heads/{self.default_branch}", workflow=path)

    def merge_group(self, *numbers: int) -> tuple[str, str]:
        """Build a merge group of pull requests as the queue does; return its branch and head commit."""
        with self.lock:
            onto = self.git.commit(self.default_branch) or ""
            start = onto
            for number in numbers:
                merged = self.git.merge(onto, self.pull(number).head, f"Merge pull request #{number}")
                assert merged, f"#{number} conflicts"
                onto = merged
            branch = f"gh-readonly-queue/{self.default_branch}/pr-{numbers[-1]}-{start}"
            self.git.git("update-ref", f"refs/heads/{branch}", onto)
            return branch, onto

    def merge_group_event(self, branch: str, head: str) -> dict[str, Any]:
        """`merge_group`."""
        group = {
            "head_sha": head,
            "head_ref": f"refs/heads/{branch}",
            "base_sha": branch.rsplit("-", 1)[-1],
            "base_ref": f"refs/heads/{self.default_branch}",
            "head_commit": {"id": head},
        }
        return self._event("checks_requested", "ada", merge_group=group)
