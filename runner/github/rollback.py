"""A rollback on its branch -> a pull request that only needs to be merged.

`open_rollback(repository, root, done, environ) -> URL`; the branch is pushed with the same token that asks the API.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runner import git_branch
from runner.github.connection import github_errors
from runner.report.duration import duration
from runner.report.escape import inline, sentence
from runner.report.facts import size_words
from runner.rollback.restore import require_ours
from runner.rollback.roll_back import Rollback

if TYPE_CHECKING:
    from github.Repository import Repository


def push_access(root: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return variables with which git pushes to GitHub as our token; none where the remote is reached otherwise.

    A token in the environment is seen by nobody, one in the arguments by every process of the machine.
    """
    token = environ.get("GITUNE_APP_TOKEN") or environ.get("GITHUB_TOKEN")
    server = environ.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")
    if not token or not git_branch.remote_url(root).startswith(f"{server}/"):
        return {}
    secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    key = f"http.{server}/.extraheader"
    # The empty value takes away a header that an earlier checkout left behind: GitHub refuses two.
    return {
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": key,
        "GIT_CONFIG_VALUE_0": "",
        "GIT_CONFIG_KEY_1": key,
        "GIT_CONFIG_VALUE_1": f"AUTHORIZATION: basic {secret}",
    }


def checks_start(environ: Mapping[str, str]) -> bool:
    """Return whether workflows run for what we push: GitHub starts none for the token of a workflow."""
    return bool(environ.get("GITUNE_APP_TOKEN")) or environ.get("GITHUB_ACTIONS") != "true"


def open_rollback(repository: Repository, root: Path, done: Rollback, environ: Mapping[str, str]) -> str:
    """Push a rollback's branch and open its pull request, or bring the one that is open up to date; return its URL.

    Raises:
        GituneError: when the branch is somebody else's, or GitHub refuses.
    """
    access = push_access(root, environ)
    seen = git_branch.fetch_branch(root, done.branch, access)
    if seen is not None and seen != done.commit:
        require_ours(root, done.branch, seen)
    if seen != done.commit:
        git_branch.push_branch(root, done.branch, done.commit, seen, access)
    base = done.start.name.removeprefix(f"{git_branch.REMOTE}/")
    title, body = done.title, render_body(done)
    with github_errors(f"opening the pull request of {done.branch}"):
        head = f"{repository.owner.login}:{done.branch}"
        pull = next(iter(repository.get_pulls(state="open", head=head, base=base)), None)
        if pull is None:
            return str(repository.create_pull(base=base, head=done.branch, title=title, body=body).html_url)
        if (pull.title, pull.body) != (title, body):
            pull.edit(title=title, body=body)
        return str(pull.html_url)


def render_body(done: Rollback) -> str:
    """Say what a rollback does, why, what was verified and what merging it costs."""
    target, verified, hold = done.target, done.verified, done.hold
    source, engine = target.entry.commit, inline(target.version.content.engine)
    back = f"{inline(target.name)} {target.version.version} as {inline(target.alias)}"
    weights = f"{size_words(verified.size)} of weights, `sha256:{verified.digest[:12]}`"
    lines = [
        sentence(done.reason, 2000),
        "",
        f"Restores `specs/{target.name}/` as in {source}, which deployed {back}.",
        "",
        f"- verified: {weights}, read in {verified.verifying:.1f} s, loaded in {verified.loading:.1f} s by {engine}",
        f"- plan: train steps: 0; deploy: {inline(done.plan.step('deploy').reason)}",
        f"- seconds to restore: about {duration(done.seconds)} of the apply after the merge",
    ]
    if hold is not None:
        ends = f"`gitune release --unhold {hold.name}@{hold.version} --reason …` ends that"
        lines.append(f"- {hold.version} is on hold, so that no apply takes it back; {ends}")
    return "\n".join(lines) + "\n"
