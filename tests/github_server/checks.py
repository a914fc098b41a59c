"""Routes of check runs and commit statuses."""

from __future__ import annotations

from typing import Any

from github_server import views
from github_server.http import Call, Page, Refused, invalid, not_found, route
from github_server.state import CheckRun, Status, now

OUTPUT_LIMIT = 65_535
STATUSES = ("queued", "in_progress", "completed", "waiting", "requested", "pending")
CONCLUSIONS = ("action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out")
MOST_ANNOTATIONS = 50


def commit_of(call: Call, ref: str) -> str:
    """The commit that a route names, by SHA, branch or tag."""
    found = call.hub.git.commit(ref)
    if found is None:
        raise Refused(422, f"No commit found for SHA: {ref}")
    return found


def _app(call: Call) -> str:
    if call.token is None or call.token.app is None:
        raise Refused(403, "You must authenticate via a GitHub App.")
    return call.token.app


def _output(output: dict[str, Any]) -> dict[str, Any]:
    for field in ("title", "summary"):
        if not isinstance(output.get(field), str):
            raise invalid("CheckRun", f"output.{field}", "missing_field")
    for field in ("summary", "text"):
        length = len(output.get(field) or "")
        if length > OUTPUT_LIMIT:
            text = f"Only {OUTPUT_LIMIT} characters are allowed; {length} were supplied."
            raise Refused(422, f"Invalid request.\n\n{text}")
    if len(output.get("annotations") or []) > MOST_ANNOTATIONS:
        raise Refused(422, f"Invalid request.\n\nNo more than {MOST_ANNOTATIONS} items are allowed.")
    return {key: output[key] for key in ("title", "summary", "text") if key in output}


def _fill(run: CheckRun, body: dict[str, Any]) -> None:
    if (output := body.get("output")) is not None:
        run.output |= _output(output)
    if (url := body.get("details_url")) and not str(url).startswith(("http://", "https://")):
        raise invalid("CheckRun", "details_url", message="details_url must use http or https scheme")
    for field in ("name", "details_url", "external_id", "started_at", "completed_at", "status"):
        if field in body:
            setattr(run, field, body[field])
    if run.status not in STATUSES or body.get("conclusion", "success") not in CONCLUSIONS:
        raise Refused(422, 'Invalid request.\n\nNo subschema in "oneOf" matched.')
    _conclude(run, body)


def _conclude(run: CheckRun, body: dict[str, Any]) -> None:
    if "conclusion" in body:
        run.status, run.conclusion = "completed", body["conclusion"]
        run.completed_at = run.completed_at or now()
    elif body.get("status") == "completed" and run.conclusion is None:
        raise Refused(422, 'Invalid request.\n\nMissing required keys: "conclusion"')
    elif "status" in body and run.status != "completed":
        run.conclusion = run.completed_at = None


@route("POST", "/repo/check-runs", "checks:write", status=201)
def create_check(call: Call) -> dict:
    """Make a check run."""
    app = _app(call)
    name, sha = call.field("name", "CheckRun"), commit_of(call, call.field("head_sha", "CheckRun"))
    run = CheckRun(call.hub.new_id(), app, name, sha)
    _fill(run, call.body)
    call.hub.all_checks[run.id] = run
    return views.check_run(call.hub, run)


def _run(call: Call, id_: str) -> CheckRun:
    found = call.hub.all_checks.get(int(id_)) if id_.isdigit() else None
    if found is None:
        raise not_found()
    return found


@route("GET", "/repo/check-runs/{id}", "checks:read")
def get_check(call: Call, id: str) -> dict:  # noqa: A002 - the name in the path
    """One check run."""
    return views.check_run(call.hub, _run(call, id))


@route("PATCH", "/repo/check-runs/{id}", "checks:write")
def update_check(call: Call, id: str) -> dict:  # noqa: A002
    """Change a check run; only the App that made it may."""
    run = _run(call, id)
    if _app(call) != run.app:
        number = views.number_of(run.app)
        raise Refused(
            403, f"Invalid app_id `{number}` - check run can only be modified by the GitHub App that created it."
        )
    _fill(run, call.body)
    run.edits += 1
    return views.check_run(call.hub, run)


@route("GET", "/repo/commits/{ref}/check-runs", "checks:read")
def list_checks(call: Call, ref: str) -> Page:
    """Check runs of a commit: the newest of each name and App, or all."""
    hub, sha = call.hub, commit_of(call, ref)
    runs = hub.checks(sha) if call.query.get("filter", "latest") == "latest" else [
        run for run in hub.all_checks.values() if run.head_sha == sha
    ]  # fmt: skip
    wanted = {
        "name": call.query.get("check_name"),
        "status": call.query.get("status"),
    }
    found = [run for run in runs if all(value in (None, getattr(run, key)) for key, value in wanted.items())]
    if app_id := call.query.get("app_id"):
        found = [run for run in found if str(views.number_of(run.app)) == app_id]
    return Page(found[::-1], lambda run: views.check_run(hub, run), "check_runs")


@route("POST", "/repo/statuses/{sha}", "statuses:write", status=201)
def create_status(call: Call, sha: str) -> dict:
    """Set a status of a commit."""
    state, description = call.field("state", "Status"), call.body.get("description")
    if state not in ("error", "failure", "pending", "success"):
        raise invalid("Status", "state")
    if len(description or "") > 140:
        raise invalid("Status", "description", "custom", message="description is too long (maximum is 140 characters)")
    entry = Status(
        call.hub.new_id(), commit_of(call, sha), state, call.body.get("context") or "default", description,
        call.body.get("target_url"), call.login,
    )  # fmt: skip
    call.hub.all_statuses.append(entry)
    return views.status(call.hub, entry)


@route("GET", "/repo/commits/{ref}/statuses", "statuses:read")
def list_statuses(call: Call, ref: str) -> Page:
    """Statuses of a commit, newest first."""
    sha = commit_of(call, ref)
    found = [entry for entry in reversed(call.hub.all_statuses) if entry.sha == sha]
    return Page(found, lambda entry: views.status(call.hub, entry))


@route("GET", "/repo/commits/{ref}/status", "statuses:read")
def combined_status(call: Call, ref: str) -> dict:
    """The newest status of each context, and what they come to."""
    sha = commit_of(call, ref)
    latest = {entry.context: entry for entry in call.hub.all_statuses if entry.sha == sha}
    states = {entry.state for entry in latest.values()}
    state = "failure" if states & {"error", "failure"} else "success" if states == {"success"} else "pending"
    shown = [views.status(call.hub, entry) for entry in latest.values()]
    return {"state": state, "sha": sha, "total_count": len(shown), "statuses": shown}
