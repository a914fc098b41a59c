"""A rollback that was made -> what `gitune rollback` prints of it."""

from __future__ import annotations

import json

from runner import git_branch
from runner.report.duration import duration
from runner.report.facts import size_words
from runner.rollback.roll_back import Rollback


def render_text(done: Rollback, url: str | None) -> str:
    """Say what comes back, what was verified, and where its pull request is or how to open one."""
    target, verified, hold = done.target, done.verified, done.hold
    size, engine = size_words(verified.size), target.version.content.engine
    lines = [
        f"{target.name}: {target.live.version or 'nothing'} → {target.version.version} as {target.alias}",
        f"  verified  {size} by sha256 in {verified.verifying:.1f} s, loaded by {engine} in {verified.loading:.1f} s",
        "  plan      train steps: 0; only the pointer moves",
        *([f"  on hold   {hold.version} by {hold.who}: {hold.reason}"] if hold else []),
        f"  branch    {done.branch} ({done.commit[:12]}) on {done.start.name}",
        f"  restored  about {duration(done.seconds)} after its apply begins",
    ]
    if url is not None:
        return "\n".join([*lines, f"  opened    {url}"])
    return "\n".join([*lines, "Propose it with", *(f"  {command}" for command in _commands(done))])


def _commands(done: Rollback) -> list[str]:
    """Return the two commands that bring it live."""
    remote = f"{git_branch.REMOTE}/"
    if not done.start.name.startswith(remote):
        return [f"git switch {done.start.name}", f"git merge --no-ff {done.branch}"]
    push = f"git push --force-with-lease {git_branch.REMOTE} {done.branch}"
    return [push, f"gh pr create --base {done.start.name.removeprefix(remote)} --head {done.branch} --fill"]


def render_json(done: Rollback, url: str | None) -> str:
    """Say the same as JSON."""
    target, verified = done.target, done.verified
    shown = {
        "format_version": "1.0",
        "name": target.name,
        "alias": target.alias,
        "from": target.live.version,
        "to": target.version.version,
        "restores": target.entry.commit,
        "branch": done.branch,
        "commit": done.commit,
        "base": done.start.name,
        "verified": {"digest": verified.digest, "size": verified.size},
        "seconds": {"verifying": verified.verifying, "loading": verified.loading, "to_restore": done.seconds},
        "plan": {step.step: step.action for step in done.plan.steps},
        "hold": done.hold.model_dump(mode="json") if done.hold else None,
        "pull_request": url,
        "commands": [] if url else _commands(done),
    }
    return json.dumps(shown, indent=2, ensure_ascii=False)
