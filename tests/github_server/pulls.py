"""Routes of pull requests, people and the repository itself."""

from __future__ import annotations

from github_server import views
from github_server.http import Call, Page, Refused, not_found, route, too_long
from github_server.hub import ROLES
from github_server.state import PullRequest, now

READ, WRITE = "pull-requests:read", "pull-requests:write"


@route("GET", "/repo", "metadata:read", "contents:read")
def get_repository(call: Call) -> dict:
    """The repository."""
    return views.repository(call.hub)


@route("GET", "/repo/pulls", READ)
def list_pulls(call: Call) -> Page:
    """Pull requests, newest first."""
    hub, state = call.hub, call.query.get("state", "open")
    hub.sync()
    owner = hub.full_name.split("/")[0]
    found = [
        pull
        for pull in reversed(hub.pulls.values())
        if state in ("all", hub.issues_by_number[pull.number].state)
        and call.query.get("base") in (None, pull.base)
        and call.query.get("head") in (None, f"{(pull.fork or owner).split('/')[0]}:{pull.branch}")
    ]
    if call.query.get("direction") == "asc":
        found.reverse()
    return Page(found, lambda pull: views.pull_request(hub, pull))


@route("POST", "/repo/pulls", WRITE, status=201)
def open_pull(call: Call) -> dict:
    """Open a pull request; a job's GITHUB_TOKEN only where the repository allows it."""
    hub, token = call.hub, call.token
    if token and token.app == "github-actions" and not hub.actions_may_open_pull_requests:
        raise Refused(403, "GitHub Actions is not permitted to create or approve pull requests.")
    body = call.body.get("body") or ""
    too_long("PullRequest", body)
    title, base = call.field("title", "PullRequest"), call.field("base", "PullRequest")
    head = call.field("head", "PullRequest").removeprefix(hub.full_name.split("/")[0] + ":")
    number = hub.open_pull_request(head, title, call.login, base=base, body=body, draft=bool(call.body.get("draft")))
    return views.pull_request(hub, hub.pull(number))


@route("GET", "/repo/pulls/{number}", READ)
def get_pull(call: Call, number: str) -> dict:
    """One pull request."""
    return views.pull_request(call.hub, call.hub.pull(number))


@route("PATCH", "/repo/pulls/{number}", WRITE)
def edit_pull(call: Call, number: str) -> dict:
    """Change what is told of a pull request."""
    pull = call.hub.pull(number)
    entry = call.hub.issues_by_number[pull.number]
    too_long("PullRequest", call.body.get("body") or "")
    for field in ("title", "body", "state"):
        if field in call.body:
            setattr(entry, field, call.body[field])
    entry.updated_at = now()
    return views.pull_request(call.hub, pull)


@route("GET", "/repo/pulls/{number}/files", READ)
def pull_files(call: Call, number: str) -> Page:
    """Files that it changes, at most 3,000 of them."""
    return Page(call.hub.pull_files(call.hub.pull(number))[:3000], lambda file: file)


@route("GET", "/repo/pulls/{number}/commits", READ)
def pull_commits(call: Call, number: str) -> Page:
    """Its commits, oldest first, at most 250 of them."""
    pull = call.hub.pull(number)
    return Page(call.hub.git.between(pull.base_sha, pull.head)[:250], lambda sha: views.commit(call.hub, sha))


@route("GET", "/repo/pulls/{number}/reviews", READ)
def pull_reviews(call: Call, number: str) -> Page:
    """Its reviews, oldest first."""
    return Page(call.hub.pull(number).reviews, lambda review: views.review(call.hub, review))


@route("GET", "/repo/pulls/{number}/merge", READ)
def is_merged(call: Call, number: str) -> tuple[int, None]:
    """204 if it is merged."""
    if call.hub.pull(number).merged is None:
        raise not_found()
    return 204, None


@route("PUT", "/repo/pulls/{number}/merge", "contents:write")
def merge_pull(call: Call, number: str) -> dict:
    """Merge it."""
    pull: PullRequest = call.hub.pull(number)
    if call.body.get("sha") not in (None, pull.head):
        raise Refused(409, "Head branch was modified. Review and try the merge again.")
    sha = call.hub.merge(pull.number, call.login, method=call.body.get("merge_method") or "merge")
    return {"sha": sha, "merged": True, "message": "Pull Request successfully merged"}


@route("GET", "/repo/commits/{sha}/pulls", READ)
def pulls_of_commit(call: Call, sha: str) -> Page:
    """The merged pull request that brought a commit to the default branch; else the open ones that contain it."""
    hub = call.hub
    hub.sync()
    commit = hub.git.commit(sha)
    if commit is None:
        raise Refused(422, f"No commit found for SHA: {sha}")
    found = [
        pull
        for pull in hub.pulls.values()
        if commit in (pull.merged, *pull.rebased) or commit in hub.git.between(pull.base_sha, pull.head)
    ]
    return Page(found, lambda pull: views.pull_request(hub, pull))


@route("GET", "/repo/collaborators/{login}/permission", "metadata:read")
def permission(call: Call, login: str) -> dict:
    """What somebody may do here; a token that may not push is not told."""
    role = call.hub.role(login)
    user = views.user(call.hub, login)
    return {"permission": ROLES.get(role, "none"), "role_name": role, "user": user}


@route("GET", "/orgs/{org}/teams/{team}/memberships/{login}", "members:read")
def membership(call: Call, org: str, team: str, login: str) -> dict:
    """Whether somebody is in a team; a job's GITHUB_TOKEN is never told."""
    role = call.hub.teams.get(f"{org}/{team}", {}).get(login)
    if role is None:
        raise not_found()
    return {"state": "pending" if role == "pending" else "active", "role": role, "url": call.hub.url}


@route("GET", "/user", "metadata:read")
def current_user(call: Call) -> dict:
    """Who a person's token belongs to; Apps have no user."""
    if call.token is None:
        raise Refused(401, "Requires authentication")
    if call.token.app:
        raise Refused(403, "Resource not accessible by integration")
    return views.user(call.hub, call.login)


@route("GET", "/users/{login}")
def get_user(call: Call, login: str) -> dict:
    """An account."""
    return views.user(call.hub, login)


@route("POST", "/graphql")
def graphql(call: Call) -> dict:
    """Only `viewer { login }`, which tells every token who it is."""
    query = "".join(call.field("query", "Query").split())
    if query.removeprefix("query") != "{viewer{login}}":
        return {"errors": [{"message": "this GitHub knows `query { viewer { login } }` only"}]}
    return {"data": {"viewer": {"login": call.login}}}
