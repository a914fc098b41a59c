"""Routes of issues, comments, reactions and labels."""

from __future__ import annotations

from urllib.parse import unquote

from github_server import views
from github_server.http import Call, Page, Refused, invalid, not_found, route, too_long
from github_server.state import Comment, Issue, now

REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")
WRITE = ("issues:write", "pull-requests:write")
READ = ("issues:read", "pull-requests:read")


def _issue(call: Call, number: str) -> Issue:
    found = call.hub.issues_by_number.get(int(number)) if number.isdigit() else None
    if found is None:
        raise not_found()
    return found


def _comment(call: Call, id_: str) -> Comment:
    found = call.hub.all_comments.get(int(id_)) if id_.isdigit() else None
    if found is None:
        raise not_found()
    return found


def _body(call: Call, resource: str) -> str:
    body = call.field("body", resource)
    too_long(resource, body)
    if not body.strip():
        raise invalid(resource, "body", "missing_field")
    return body


@route("GET", "/repo/issues", "issues:read")
def list_issues(call: Call) -> Page:
    """Issues and pull requests, newest first."""
    state, labels = call.query.get("state", "open"), set(filter(None, call.query.get("labels", "").split(",")))
    creator = call.query.get("creator")
    found = [
        entry
        for entry in call.hub.issues_by_number.values()
        if state in ("all", entry.state) and labels <= set(entry.labels) and creator in (None, entry.login)
    ]
    if call.query.get("direction") != "asc":
        found.reverse()
    return Page(found, lambda entry: views.issue(call.hub, entry))


@route("POST", "/repo/issues", "issues:write", status=201)
def create_issue(call: Call) -> dict:
    """Open an issue."""
    title, body = call.field("title", "Issue"), call.body.get("body") or ""
    too_long("Issue", body)
    entry = call.hub.open_issue(title, body, call.login, call.body.get("labels"))
    return views.issue(call.hub, entry)


@route("GET", "/repo/issues/{number}", *READ)
def get_issue(call: Call, number: str) -> dict:
    """One issue, or pull request as an issue."""
    return views.issue(call.hub, _issue(call, number))


@route("PATCH", "/repo/issues/{number}", *WRITE)
def edit_issue(call: Call, number: str) -> dict:
    """Change what is told of an issue."""
    entry = _issue(call, number)
    too_long("Issue", call.body.get("body") or "")
    for field in ("title", "body", "state", "state_reason", "labels"):
        if field in call.body:
            setattr(entry, field, call.body[field])
    entry.closed_at = now() if entry.state == "closed" else None
    entry.updated_at = now()
    return views.issue(call.hub, entry)


@route("GET", "/repo/issues/{number}/comments", *READ)
def list_comments(call: Call, number: str) -> Page:
    """Comments of one, oldest first; there is no other order."""
    entry = _issue(call, number)
    return Page(call.hub.comments(entry.number), lambda one: views.comment(call.hub, one))


@route("POST", "/repo/issues/{number}/comments", *WRITE, status=201)
def create_comment(call: Call, number: str) -> dict:
    """Write a comment."""
    entry = _issue(call, number)
    body = _body(call, "IssueComment")
    app = call.token.app if call.token else None
    return views.comment(call.hub, call.hub.comment(entry.number, call.login, body, app))


@route("GET", "/repo/issues/comments/{id}", *READ)
def get_comment(call: Call, id: str) -> dict:  # noqa: A002 - the name in the path
    """One comment."""
    return views.comment(call.hub, _comment(call, id))


@route("PATCH", "/repo/issues/comments/{id}", *WRITE)
def edit_comment(call: Call, id: str) -> dict:  # noqa: A002
    """Change a comment. With write access to the repository one may change those of others, on GitHub too."""
    entry = _comment(call, id)
    entry.body, entry.updated_at = _body(call, "IssueComment"), now()
    return views.comment(call.hub, entry)


@route("DELETE", "/repo/issues/comments/{id}", *WRITE, status=204)
def delete_comment(call: Call, id: str) -> None:  # noqa: A002
    """Take a comment away."""
    del call.hub.all_comments[_comment(call, id).id]


@route("GET", "/repo/issues/comments/{id}/reactions", *READ)
def list_reactions(call: Call, id: str) -> Page:  # noqa: A002
    """Reactions to a comment."""
    entry = _comment(call, id)
    return Page(list(entry.reactions), lambda one: _reaction(call, entry, *one))


@route("POST", "/repo/issues/comments/{id}/reactions", *WRITE)
def react(call: Call, id: str) -> tuple[int, dict]:  # noqa: A002
    """React to a comment, at most once in each way."""
    entry, content = _comment(call, id), call.field("content", "Reaction")
    if content not in REACTIONS:
        raise invalid("Reaction", "content")
    key = (content, call.login)
    status = 200 if key in entry.reactions else 201
    entry.reactions.setdefault(key, call.hub.new_id())
    return status, _reaction(call, entry, *key)


@route("DELETE", "/repo/issues/comments/{id}/reactions/{reaction}", *WRITE, status=204)
def unreact(call: Call, id: str, reaction: str) -> None:  # noqa: A002
    """Take a reaction back."""
    entry = _comment(call, id)
    entry.reactions = {key: number for key, number in entry.reactions.items() if str(number) != reaction}


def _reaction(call: Call, entry: Comment, content: str, login: str) -> dict:
    number = entry.reactions[content, login]
    return {"id": number, "content": content, "user": views.user(call.hub, login), "created_at": entry.created_at}


@route("GET", "/repo/issues/{number}/labels", *READ)
def list_labels(call: Call, number: str) -> Page:
    """Labels of an issue or pull request."""
    return Page(_issue(call, number).labels, lambda name: views.label(call.hub, name))


@route("POST", "/repo/issues/{number}/labels", *WRITE)
def add_labels(call: Call, number: str) -> list:
    """Add labels."""
    entry = _issue(call, number)
    names = call.body.get("labels", []) if isinstance(call.body, dict) else call.body
    for name in names:
        call.hub.labels.setdefault(name, {"color": "ededed", "description": None})
    entry.labels = list(dict.fromkeys([*entry.labels, *names]))
    return [views.label(call.hub, name) for name in entry.labels]


@route("DELETE", "/repo/issues/{number}/labels/{name}", *WRITE)
def remove_label(call: Call, number: str, name: str) -> list:
    """Take a label away."""
    entry, name = _issue(call, number), unquote(name)
    if name not in entry.labels:
        raise Refused(404, "Label does not exist")
    entry.labels.remove(name)
    return [views.label(call.hub, label) for label in entry.labels]


@route("GET", "/repo/labels", "issues:read")
def repository_labels(call: Call) -> Page:
    """Labels of the repository."""
    return Page(list(call.hub.labels), lambda name: views.label(call.hub, name))


@route("GET", "/repo/labels/{name}", "issues:read")
def get_label(call: Call, name: str) -> dict:
    """One label."""
    if unquote(name) not in call.hub.labels:
        raise not_found()
    return views.label(call.hub, unquote(name))


@route("POST", "/repo/labels", *WRITE, status=201)
def create_label(call: Call) -> dict:
    """Make a label."""
    name, color = call.field("name", "Label"), call.field("color", "Label")
    if name in call.hub.labels:
        raise invalid("Label", "name", "already_exists")
    call.hub.labels[name] = {"color": color, "description": call.body.get("description")}
    return views.label(call.hub, name)
