"""What is remembered, in GitHub's JSON."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from github_server.state import CheckRun, Comment, Issue, PullRequest, Release, Review, Status, WorkflowRun

if TYPE_CHECKING:
    from github_server.server import GitHubServer


def number_of(text: str) -> int:
    """A stable number for a name."""
    return int.from_bytes(text.encode()[:6].ljust(6, b"\0"), "big")


def user(hub: GitHubServer, login: str) -> dict[str, Any]:
    """An account; those of Apps end in [bot]."""
    return {
        "login": login,
        "id": number_of(login),
        "type": "Bot" if login.endswith("[bot]") else "User",
        "url": f"{hub.url}/users/{login}",
        "html_url": f"{hub.url}/{login}",
        "site_admin": False,
    }


def app(hub: GitHubServer, slug: str) -> dict[str, Any]:
    """An App."""
    return {
        "id": number_of(slug),
        "slug": slug,
        "name": slug,
        "owner": user(hub, "org"),
        "url": f"{hub.url}/apps/{slug}",
        "html_url": f"{hub.url}/apps/{slug}",
    }


def repository(hub: GitHubServer, full_name: str | None = None) -> dict[str, Any]:
    """The repository, or a fork of it."""
    full_name = full_name or hub.full_name
    owner, name = full_name.split("/")
    return {
        "id": number_of(full_name[::-1]),
        "name": name,
        "full_name": full_name,
        "owner": user(hub, owner),
        "private": hub.private,
        "visibility": "private" if hub.private else "public",
        "fork": full_name != hub.full_name,
        "default_branch": hub.default_branch,
        "archived": False,
        "url": f"{hub.url}/repos/{full_name}",
        "html_url": f"{hub.url}/{full_name}",
        "clone_url": str(hub.git.path),
    }


def issue(hub: GitHubServer, entry: Issue) -> dict[str, Any]:
    """An issue; one that is a pull request says so."""
    url = f"{hub.url}/repos/{hub.full_name}"
    kind = "pull" if entry.number in hub.pulls else "issues"
    more = {"pull_request": {"url": f"{url}/pulls/{entry.number}"}} if kind == "pull" else {}
    return {
        "id": entry.number * 1000,
        "number": entry.number,
        "title": entry.title,
        "body": entry.body,
        "user": user(hub, entry.login),
        "state": entry.state,
        "state_reason": entry.state_reason,
        "locked": False,
        "labels": [label(hub, name) for name in entry.labels],
        "assignees": [],
        "comments": len(hub.comments(entry.number)),
        "created_at": entry.created_at,
        "updated_at": entry.updated_at,
        "closed_at": entry.closed_at,
        "url": f"{url}/issues/{entry.number}",
        "comments_url": f"{url}/issues/{entry.number}/comments",
        "html_url": f"{hub.url}/{hub.full_name}/{kind}/{entry.number}",
        "author_association": "CONTRIBUTOR",
        **more,
    }


def label(hub: GitHubServer, name: str) -> dict[str, Any]:
    """A label."""
    more = hub.labels.get(name, {"color": "ededed", "description": None})
    url = f"{hub.url}/repos/{hub.full_name}/labels/{name}"
    return {"id": number_of(name), "name": name, "url": url, "default": False, **more}


def comment(hub: GitHubServer, entry: Comment) -> dict[str, Any]:
    """A comment."""
    page = f"{hub.url}/{hub.full_name}/issues/{entry.number}#issuecomment-{entry.id}"
    return {
        "id": entry.id,
        "body": entry.body,
        "user": user(hub, entry.login),
        "performed_via_github_app": app(hub, entry.app) if entry.app else None,
        "created_at": entry.created_at,
        "updated_at": entry.updated_at,
        "url": f"{hub.url}/repos/{hub.full_name}/issues/comments/{entry.id}",
        "issue_url": f"{hub.url}/repos/{hub.full_name}/issues/{entry.number}",
        "html_url": page,
        "author_association": "CONTRIBUTOR",
    }


def pull_request(hub: GitHubServer, entry: PullRequest) -> dict[str, Any]:
    """A pull request, as the list and the page of it show it."""
    about = hub.issues_by_number[entry.number]
    url = f"{hub.url}/repos/{hub.full_name}/pulls/{entry.number}"
    shown = issue(hub, about)
    return {
        **{key: value for key, value in shown.items() if key != "pull_request"},
        "id": entry.number * 1000 + 1,
        "url": url,
        "issue_url": shown["url"],
        "head": branch(hub, entry.branch, entry.head, entry.fork),
        "base": branch(hub, entry.base, hub.git.commit(entry.base) or entry.base_sha, None),
        "draft": entry.draft,
        "merged": entry.merged is not None,
        "merged_at": entry.merged_at,
        "merge_commit_sha": entry.merged,
        "mergeable": None if entry.merged else True,
        "mergeable_state": "clean",
        "commits": len(hub.git.between(entry.base_sha, entry.head)),
        "changed_files": len(hub.pull_files(entry)),
    }


def branch(hub: GitHubServer, name: str, sha: str, fork: str | None) -> dict[str, Any]:
    """One end of a pull request."""
    owner = (fork or hub.full_name).split("/")[0]
    return {
        "label": f"{owner}:{name}",
        "ref": name,
        "sha": sha,
        "user": user(hub, owner),
        "repo": repository(hub, fork),
    }


def review(hub: GitHubServer, entry: Review) -> dict[str, Any]:
    """A review."""
    return {
        "id": entry.id,
        "user": user(hub, entry.login),
        "body": entry.body,
        "state": entry.state,
        "commit_id": entry.commit,
        "submitted_at": entry.submitted_at,
        "html_url": f"{hub.url}/{hub.full_name}/reviews/{entry.id}",
        "author_association": "CONTRIBUTOR",
    }


def check_run(hub: GitHubServer, entry: CheckRun) -> dict[str, Any]:
    """A check run."""
    url = f"{hub.url}/repos/{hub.full_name}/check-runs/{entry.id}"
    output = {"title": None, "summary": None, "text": None, "annotations_count": 0, **entry.output}
    return {
        "id": entry.id,
        "name": entry.name,
        "head_sha": entry.head_sha,
        "status": entry.status,
        "conclusion": entry.conclusion,
        "details_url": entry.details_url,
        "external_id": entry.external_id,
        "started_at": entry.started_at,
        "completed_at": entry.completed_at,
        "output": {**output, "annotations_url": f"{url}/annotations"},
        "app": app(hub, entry.app),
        "pull_requests": [],
        "url": url,
        "html_url": f"{hub.url}/{hub.full_name}/runs/{entry.id}",
    }


def status(hub: GitHubServer, entry: Status) -> dict[str, Any]:
    """A commit status."""
    return {
        "id": entry.id,
        "state": entry.state,
        "context": entry.context,
        "description": entry.description,
        "target_url": entry.target_url,
        "creator": user(hub, entry.login),
        "created_at": entry.created_at,
        "updated_at": entry.created_at,
        "url": f"{hub.url}/repos/{hub.full_name}/statuses/{entry.sha}",
    }


def release(hub: GitHubServer, entry: Release) -> dict[str, Any]:
    """A release."""
    return {
        "id": entry.id,
        "tag_name": entry.tag_name,
        "name": entry.name,
        "body": entry.body,
        "draft": entry.draft,
        "prerelease": entry.prerelease,
        "target_commitish": entry.target_commitish,
        "author": user(hub, entry.login),
        "assets": [],
        "created_at": entry.created_at,
        "published_at": entry.created_at,
        "url": f"{hub.url}/repos/{hub.full_name}/releases/{entry.id}",
        "upload_url": f"{hub.url}/repos/{hub.full_name}/releases/{entry.id}/assets{{?name,label}}",
        "html_url": f"{hub.url}/{hub.full_name}/releases/tag/{entry.tag_name}",
    }


def workflow_run(hub: GitHubServer, entry: WorkflowRun) -> dict[str, Any]:
    """A run of a workflow. Of a fork's pull request it names none, as on GitHub."""
    mine = [pull for pull in hub.pulls.values() if pull.head == entry.head_sha and not pull.fork and not entry.fork]
    url = f"{hub.url}/repos/{hub.full_name}/actions/runs/{entry.id}"
    return {
        "id": entry.id,
        "name": entry.name,
        "path": entry.path,
        "display_title": entry.display_title,
        "event": entry.event,
        "status": entry.status,
        "conclusion": entry.conclusion,
        "head_sha": entry.head_sha,
        "head_branch": entry.head_branch,
        "run_number": entry.id,
        "run_attempt": entry.attempt,
        "workflow_id": number_of(entry.path[::-1]),
        "actor": user(hub, entry.actor),
        "triggering_actor": user(hub, entry.actor),
        "created_at": entry.created_at,
        "run_started_at": entry.created_at,
        "updated_at": entry.updated_at,
        "repository": repository(hub),
        "head_repository": repository(hub, entry.fork),
        "pull_requests": [
            {"number": pull.number, "head": {"ref": pull.branch, "sha": pull.head}, "base": {"ref": pull.base}}
            for pull in mine
        ],
        "url": url,
        "html_url": f"{hub.url}/{hub.full_name}/actions/runs/{entry.id}",
    }


def commit(hub: GitHubServer, sha: str, *, files: bool = False) -> dict[str, Any]:
    """A commit of the repository, with its files if asked."""
    about = hub.git.describe(sha)
    url = f"{hub.url}/repos/{hub.full_name}"
    parents = about["parents"]
    shown = {
        "sha": sha,
        "commit": {
            "message": about["message"],
            "author": about["author"],
            "committer": about["committer"],
            "tree": {"sha": about["tree"], "url": f"{url}/git/trees/{about['tree']}"},
        },
        "author": user(hub, about["author"]["name"]),
        "parents": [{"sha": parent, "url": f"{url}/commits/{parent}"} for parent in parents],
        "url": f"{url}/commits/{sha}",
        "html_url": f"{hub.url}/{hub.full_name}/commit/{sha}",
    }
    if files:
        shown["files"] = hub.git.files(parents[0], sha) if parents else []
    return shown


def content(hub: GitHubServer, ref: str, path: str, entry: tuple[str, str]) -> dict[str, Any]:
    """A file or a folder at a commit."""
    kind, sha = entry
    url = f"{hub.url}/repos/{hub.full_name}/contents/{path}?ref={ref}"
    shown = {
        "type": "file" if kind == "blob" else "dir",
        "name": path.rsplit("/", 1)[-1],
        "path": path,
        "sha": sha,
        "url": url,
    }
    if kind == "blob":
        data = hub.git.read("cat-file", "blob", sha)
        text = base64.encodebytes(data).decode() if len(data) <= 1_000_000 else ""
        shown |= {"size": len(data), "content": text, "encoding": "base64" if text else "none"}
    return shown
