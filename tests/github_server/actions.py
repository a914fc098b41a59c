"""Routes of workflows: their files, runs and dispatches; and of plain git objects, which workflows write."""

from __future__ import annotations

import base64

import yaml

from github_server import views
from github_server.bare import GitError
from github_server.http import Call, Page, Refused, not_found, route
from github_server.state import Dispatch, WorkflowRun

FOLDER = ".github/workflows"


def _workflows(call: Call) -> list[str]:
    commit = call.hub.git.commit(call.hub.default_branch)
    try:
        return call.hub.git.git("ls-tree", "--name-only", f"{commit}:{FOLDER}").split()
    except GitError:
        return []


def _workflow(call: Call, name: str) -> dict:
    path = f"{FOLDER}/{name}"
    url = f"{call.hub.url}/repos/{call.hub.full_name}/actions/workflows/{name}"
    return {
        "id": views.number_of(path[::-1]),
        "name": name.rsplit(".", 1)[0],
        "path": path,
        "state": "active",
        "url": url,
    }


def _named(call: Call, workflow: str) -> str:
    for name in _workflows(call):
        if workflow in (name, str(views.number_of(f"{FOLDER}/{name}"[::-1]))):
            return name
    raise not_found()


@route("GET", "/repo/actions/workflows", "actions:read")
def list_workflows(call: Call) -> Page:
    """Workflows of the default branch."""
    return Page(_workflows(call), lambda name: _workflow(call, name), "workflows")


@route("GET", "/repo/actions/workflows/{workflow}", "actions:read")
def get_workflow(call: Call, workflow: str) -> dict:
    """One workflow, by file name or number."""
    return _workflow(call, _named(call, workflow))


@route("POST", "/repo/actions/workflows/{workflow}/dispatches", "actions:write", status=204)
def dispatch(call: Call, workflow: str) -> None:
    """Ask for a run: recorded in `hub.dispatches`, nothing runs."""
    git, name = call.hub.git, _named(call, workflow)
    ref = call.field("ref", "WorkflowDispatch")
    commit = git.commit(ref.removeprefix("refs/heads/"))
    if commit is None:
        raise Refused(422, f"No ref found for: {ref}")
    if git.object_of(f"{commit}:{FOLDER}/{name}") is None:
        raise not_found()
    triggers = yaml.safe_load(git.git("show", f"{commit}:{FOLDER}/{name}"))
    # YAML 1.1 reads the key `on` as true.
    found = triggers.get("on", triggers.get(True))
    if "workflow_dispatch" not in (found if isinstance(found, dict | list) else [found]):
        raise Refused(422, "Workflow does not have 'workflow_dispatch' trigger")
    declared = (found["workflow_dispatch"] or {}).get("inputs") or {} if isinstance(found, dict) else {}
    inputs = call.body.get("inputs") or {}
    if unknown := sorted(set(inputs) - set(declared)):
        raise Refused(422, f"Unexpected inputs provided: {unknown}")
    for key, about in declared.items():
        if (about or {}).get("required") and not inputs.get(key) and "default" not in about:
            raise Refused(422, f"Required input '{key}' not provided")
    call.hub.dispatches.append(Dispatch(name, ref, inputs, call.login))


def _matching(call: Call, runs: list[WorkflowRun]) -> Page:
    query = call.query
    found = [
        run
        for run in reversed(runs)
        if query.get("head_sha") in (None, run.head_sha)
        and query.get("branch") in (None, run.head_branch)
        and query.get("event") in (None, run.event)
        and query.get("actor") in (None, run.actor)
        and query.get("status") in (None, run.status, run.conclusion)
    ]
    return Page(found, lambda run: views.workflow_run(call.hub, run), "workflow_runs")


@route("GET", "/repo/actions/runs", "actions:read")
def list_runs(call: Call) -> Page:
    """Runs of all workflows, newest first."""
    return _matching(call, list(call.hub.runs.values()))


@route("GET", "/repo/actions/workflows/{workflow}/runs", "actions:read")
def runs_of_workflow(call: Call, workflow: str) -> Page:
    """Runs of one workflow, newest first. One whose file was never on the default branch is not known."""
    known = {run.path: str(views.number_of(run.path[::-1])) for run in call.hub.runs.values()}
    paths = [path for path, number in known.items() if workflow in (path.rsplit("/", 1)[-1], number)]
    if not paths:
        _named(call, workflow)
    return _matching(call, [run for run in call.hub.runs.values() if run.path in paths])


@route("GET", "/repo/actions/runs/{id}", "actions:read")
def get_run(call: Call, id: str) -> dict:  # noqa: A002 - the name in the path
    """One run."""
    run = call.hub.runs.get(int(id)) if id.isdigit() else None
    if run is None:
        raise not_found()
    return views.workflow_run(call.hub, run)


@route("POST", "/repo/git/blobs", "contents:write", status=201)
def create_blob(call: Call) -> dict:
    """Write a blob."""
    content = call.field("content", "Blob")
    data = base64.b64decode(content) if call.body.get("encoding") == "base64" else content.encode()
    return _object(call, "blobs", call.hub.git.git("hash-object", "-w", "--stdin", data=data))


@route("GET", "/repo/git/blobs/{sha}", "contents:read")
def get_blob(call: Call, sha: str) -> dict:
    """Read a blob."""
    try:
        data = call.hub.git.read("cat-file", "blob", sha)
    except GitError as error:
        raise not_found() from error
    shown = {"content": base64.encodebytes(data).decode(), "encoding": "base64", "size": len(data)}
    return {**_object(call, "blobs", sha), **shown}


@route("GET", "/repo/git/trees/{sha}", "contents:read")
def get_tree(call: Call, sha: str) -> dict:
    """List a tree, or all below it."""
    deep = ["-r", "-t"] if call.query.get("recursive") else []
    try:
        lines = call.hub.git.git("ls-tree", "-z", *deep, sha).split("\0")[:-1]
    except GitError as error:
        raise not_found() from error
    entries = [(*about.split(), path) for about, path in (line.split("\t", 1) for line in lines)]
    shown = [{"mode": mode, "type": kind, "sha": one, "path": path} for mode, kind, one, path in entries]
    return {**_object(call, "trees", sha), "tree": shown, "truncated": False}


@route("POST", "/repo/git/trees", "contents:write", status=201)
def create_tree(call: Call) -> dict:
    """Write a tree, on top of `base_tree` if told; a null SHA takes an entry away."""
    git = call.hub.git
    index = {"GIT_INDEX_FILE": str(call.hub.scratch / f"index-{call.hub.new_id()}")}
    base = call.body.get("base_tree")
    git.git("read-tree", *([base] if base else ["--empty"]), environ=index)
    for entry in call.field("tree", "Tree", list):
        sha = entry.get("sha")
        if "content" in entry:
            sha = git.git("hash-object", "-w", "--stdin", data=entry["content"].encode())
        line = f"{entry['mode'] if sha else '0'} {sha or '0' * 40}\t{entry['path']}\n"
        git.git("update-index", "--add", "--index-info", data=line.encode(), environ=index)
    return _object(call, "trees", git.git("write-tree", environ=index)) | {"tree": []}


@route("POST", "/repo/git/commits", "contents:write", status=201)
def create_commit(call: Call) -> dict:
    """Write a commit."""
    tree, parents = call.field("tree", "Commit"), call.body.get("parents") or []
    try:
        sha = call.hub.git.write_commit(tree, parents, call.field("message", "Commit"), call.body.get("author"))
    except GitError as error:
        raise Refused(422, "Tree SHA does not exist") from error
    return _git_commit(call, sha)


@route("GET", "/repo/git/commits/{sha}", "contents:read")
def get_git_commit(call: Call, sha: str) -> dict:
    """Read a commit."""
    if call.hub.git.commit(sha) is None:
        raise not_found()
    return _git_commit(call, sha)


def _git_commit(call: Call, sha: str) -> dict:
    shown = views.commit(call.hub, sha)
    return {**shown["commit"], **_object(call, "commits", sha), "parents": shown["parents"]}


@route("POST", "/repo/git/tags", "contents:write", status=201)
def create_tag(call: Call) -> dict:
    """Write an annotated tag; a ref to it is made by another call."""
    sha, kind = call.field("object", "Tag"), call.field("type", "Tag")
    who = call.body.get("tagger") or {"name": call.login, "email": f"{call.login}@users.noreply.github.com"}
    name, message = call.field("tag", "Tag"), call.field("message", "Tag")
    text = f"object {sha}\ntype {kind}\ntag {name}\ntagger {who['name']} <{who['email']}> 0 +0000\n\n{message}\n"
    try:
        made = call.hub.git.git("mktag", data=text.encode())
    except GitError as error:
        raise Refused(422, "Object does not exist") from error
    return {**_object(call, "tags", made), "tag": name, "message": message, "object": {"type": kind, "sha": sha}}


@route("GET", "/repo/git/tags/{sha}", "contents:read")
def get_tag(call: Call, sha: str) -> dict:
    """Read an annotated tag."""
    try:
        lines = call.hub.git.git("cat-file", "tag", sha).split("\n")
    except GitError as error:
        raise not_found() from error
    about = dict(line.split(" ", 1) for line in lines[:3])
    target = {"type": about["type"], "sha": about["object"]}
    return {**_object(call, "tags", sha), "tag": about["tag"], "message": "\n".join(lines[5:]), "object": target}


def _object(call: Call, kind: str, sha: str) -> dict:
    return {"sha": sha, "url": f"{call.hub.url}/repos/{call.hub.full_name}/git/{kind}/{sha}"}
