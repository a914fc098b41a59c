"""Routes of what lies in git: files, commits, branches, refs, tags, and releases on them."""

from __future__ import annotations

import base64
import binascii
from urllib.parse import unquote

from github_server import views
from github_server.bare import GitError
from github_server.checks import commit_of
from github_server.http import Call, Page, Refused, invalid, not_found, route, too_long
from github_server.state import Release

READ, WRITE = "contents:read", "contents:write"
RELEASE_LIMIT = 125_000


@route("GET", "/repo/contents/{path...}", READ)
def get_content(call: Call, path: str) -> dict | list:
    """A file, or the list of a folder, at a ref."""
    git, path = call.hub.git, unquote(path)
    ref = call.query.get("ref") or call.hub.default_branch
    commit = git.commit(ref)
    if commit is None:
        raise Refused(404, f"No commit found for the ref {ref}")
    entry = git.object_of(f"{commit}:{path}")
    if entry is None:
        raise not_found()
    if entry[0] == "blob":
        return views.content(call.hub, ref, path, entry)
    names = git.git("ls-tree", "--name-only", "-z", f"{commit}:{path}").split("\0")[:-1]
    below = [(f"{path}/{name}", git.object_of(f"{commit}:{path}/{name}")) for name in names]
    return [views.content(call.hub, ref, name, found) for name, found in below if found]


@route("PUT", "/repo/contents/{path...}", WRITE)
def put_content(call: Call, path: str) -> tuple[int, dict]:
    """Write a file: one commit on a branch. To replace one its SHA must be told."""
    git, path = call.hub.git, unquote(path)
    branch = call.body.get("branch") or call.hub.default_branch
    parent = git.commit(f"refs/heads/{branch}")
    if parent is None:
        raise Refused(404, f"Branch {branch} not found")
    message = call.field("message", "Commit")
    try:
        data = base64.b64decode(call.field("content", "Commit"), validate=False)
    except binascii.Error as error:
        raise Refused(422, "content is not valid Base64") from error
    before = git.object_of(f"{parent}:{path}")
    if before and call.body.get("sha") is None:
        raise Refused(422, 'Invalid request.\n\n"sha" wasn\'t supplied.')
    if before and call.body["sha"] != before[1]:
        raise Refused(409, f"{path} does not match {call.body['sha']}")
    commit = git.write_file(parent, path, data, message)
    git.git("update-ref", f"refs/heads/{branch}", commit, parent)
    entry = git.object_of(f"{commit}:{path}")
    shown = {"content": views.content(call.hub, branch, path, entry), "commit": {"sha": commit}}
    return (200 if before else 201), shown


@route("GET", "/repo/commits", READ)
def list_commits(call: Call) -> Page:
    """History of a ref, newest first."""
    sha = commit_of(call, call.query.get("sha") or call.hub.default_branch)
    path = ["--", call.query["path"]] if call.query.get("path") else []
    return Page(call.hub.git.git("rev-list", sha, *path).split(), lambda one: views.commit(call.hub, one))


@route("GET", "/repo/commits/{ref...}", READ)
def get_commit(call: Call, ref: str) -> dict:
    """One commit, with its files."""
    return views.commit(call.hub, commit_of(call, unquote(ref)), files=True)


@route("GET", "/repo/compare/{ends...}", READ)
def compare(call: Call, ends: str) -> dict:
    """What a head has that a base lacks, and the other way round."""
    git = call.hub.git
    found = [git.commit(name) for name in unquote(ends).split("...")]
    if len(found) != 2 or None in found:
        raise not_found()
    base, head = found
    ahead, behind = git.between(base, head), git.between(head, base)
    common = git.merge_base(base, head)
    if common is None:
        raise Refused(404, f"No common ancestor between {base} and {head}.")
    status = {(False, False): "identical", (True, False): "ahead", (False, True): "behind", (True, True): "diverged"}
    return {
        "status": status[bool(ahead), bool(behind)],
        "ahead_by": len(ahead),
        "behind_by": len(behind),
        "total_commits": len(ahead),
        "base_commit": views.commit(call.hub, base),
        "merge_base_commit": views.commit(call.hub, common),
        "commits": [views.commit(call.hub, sha) for sha in ahead[:250]],
        "files": git.files(common, head)[:300],
    }


def _branch(call: Call, name: str, sha: str) -> dict:
    protected = name == call.hub.default_branch and bool(call.hub.required)
    return {"name": name, "commit": views.commit(call.hub, sha), "protected": protected}


@route("GET", "/repo/branches", READ)
def list_branches(call: Call) -> Page:
    """Branches, by name."""
    refs = call.hub.git.refs("refs/heads")
    found = [(name.removeprefix("refs/heads/"), sha) for name, (_, sha) in refs.items()]
    return Page(found, lambda pair: _branch(call, *pair))


@route("GET", "/repo/branches/{name...}", READ)
def get_branch(call: Call, name: str) -> dict:
    """One branch."""
    sha = call.hub.git.commit(f"refs/heads/{unquote(name)}")
    if sha is None:
        raise Refused(404, "Branch not found")
    return _branch(call, unquote(name), sha)


@route("GET", "/repo/tags", READ)
def list_tags(call: Call) -> Page:
    """Tags, with the commits that they stand for."""
    names = [name.removeprefix("refs/tags/") for name in call.hub.git.refs("refs/tags")]
    return Page(names[::-1], lambda name: {"name": name, "commit": {"sha": call.hub.git.commit(f"refs/tags/{name}")}})


def _ref(call: Call, name: str, entry: tuple[str, str]) -> dict:
    url = f"{call.hub.url}/repos/{call.hub.full_name}/git"
    kind, sha = entry
    return {"ref": name, "url": f"{url}/{name}", "object": {"type": kind, "sha": sha, "url": f"{url}/{kind}s/{sha}"}}


@route("GET", "/repo/git/ref/{name...}", READ)
def get_ref(call: Call, name: str) -> dict:
    """One ref, named without `refs/`."""
    full = f"refs/{unquote(name)}"
    entry = call.hub.git.refs(full).get(full)
    if entry is None:
        raise not_found()
    return _ref(call, full, entry)


@route("GET", "/repo/git/matching-refs/{name...}", READ)
def matching_refs(call: Call, name: str) -> Page:
    """Refs that begin so."""
    refs = [pair for pair in call.hub.git.refs("refs").items() if pair[0].startswith(f"refs/{unquote(name)}")]
    return Page(refs, lambda pair: _ref(call, *pair))


@route("POST", "/repo/git/refs", WRITE, status=201)
def create_ref(call: Call) -> dict:
    """Make a branch or tag."""
    name, sha = call.field("ref", "Reference"), call.field("sha", "Reference")
    if not name.startswith("refs/") or name.count("/") < 2:
        raise Refused(422, "Reference name must start with 'refs/'.")
    if name in call.hub.git.refs(name):
        raise Refused(422, "Reference already exists")
    return _write_ref(call, name, sha, "0" * 40)


@route("PATCH", "/repo/git/refs/{name...}", WRITE)
def move_ref(call: Call, name: str) -> dict:
    """Move a ref; only forwards if not forced."""
    full, sha = f"refs/{unquote(name)}", call.field("sha", "Reference")
    before = call.hub.git.refs(full).get(full)
    if before is None:
        raise Refused(422, "Reference does not exist")
    if not call.body.get("force") and call.hub.git.merge_base(before[1], sha) != before[1]:
        raise Refused(422, "Update is not a fast forward")
    return _write_ref(call, full, sha, before[1])


@route("DELETE", "/repo/git/refs/{name...}", WRITE, status=204)
def delete_ref(call: Call, name: str) -> None:
    """Take a ref away."""
    full = f"refs/{unquote(name)}"
    if full not in call.hub.git.refs(full):
        raise Refused(422, "Reference does not exist")
    call.hub.git.git("update-ref", "-d", full)


def _write_ref(call: Call, name: str, sha: str, before: str) -> dict:
    try:
        call.hub.git.git("update-ref", name, sha, before)
    except GitError as error:
        raise Refused(422, "Object does not exist") from error
    return _ref(call, name, call.hub.git.refs(name)[name])


@route("GET", "/repo/releases", READ)
def list_releases(call: Call) -> Page:
    """Releases, newest first."""
    return Page(call.hub.releases[::-1], lambda entry: views.release(call.hub, entry))


@route("GET", "/repo/releases/tags/{tag...}", READ)
def release_of_tag(call: Call, tag: str) -> dict:
    """The release of a tag."""
    for entry in call.hub.releases:
        if entry.tag_name == unquote(tag) and not entry.draft:
            return views.release(call.hub, entry)
    raise not_found()


@route("GET", "/repo/releases/{id}", READ)
def get_release(call: Call, id: str) -> dict:  # noqa: A002 - the name in the path
    """One release, or the latest."""
    published = [entry for entry in call.hub.releases if not entry.draft and not entry.prerelease]
    found = published[-1] if id == "latest" and published else call.hub.all_releases.get(int(id) if id.isdigit() else 0)
    if found is None:
        raise not_found()
    return views.release(call.hub, found)


@route("POST", "/repo/releases", WRITE, status=201)
def create_release(call: Call) -> dict:
    """Make a release; a tag that lacks is made on the commit that is told."""
    hub, tag = call.hub, call.field("tag_name", "Release")
    body, target = call.body.get("body") or "", call.body.get("target_commitish") or hub.default_branch
    too_long("Release", body, RELEASE_LIMIT)
    if any(entry.tag_name == tag for entry in hub.releases):
        raise invalid("Release", "tag_name", "already_exists")
    if hub.git.commit(f"refs/tags/{tag}") is None:
        sha = hub.git.commit(target)
        if sha is None:
            raise invalid("Release", "target_commitish")
        hub.git.git("update-ref", f"refs/tags/{tag}", sha)
    flags = {name: bool(call.body.get(name)) for name in ("draft", "prerelease")}
    entry = Release(hub.new_id(), tag, call.body.get("name") or tag, body, call.login, target_commitish=target, **flags)
    hub.all_releases[entry.id] = entry
    return views.release(hub, entry)


@route("PATCH", "/repo/releases/{id}", WRITE)
def edit_release(call: Call, id: str) -> dict:  # noqa: A002
    """Change what is told of a release."""
    found = call.hub.all_releases.get(int(id) if id.isdigit() else 0)
    if found is None:
        raise not_found()
    too_long("Release", call.body.get("body") or "", RELEASE_LIMIT)
    for field in ("tag_name", "name", "body", "draft", "prerelease"):
        if field in call.body:
            setattr(found, field, call.body[field])
    return views.release(call.hub, found)
