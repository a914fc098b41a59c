"""`gitune rollback SPEC`: verify a version that was live before, and propose to go back to it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from runner import git_branch
from runner.cli.progress import Narrator
from runner.cli.project import Project, cache_folder
from runner.cli.ruling import BY, in_words, project_of, who_decides
from runner.errors import SpecError, UsageError
from runner.report.duration import duration
from runner.report.facts import size_words
from runner.rollback.roll_back import Rollback, roll_back
from runner.rollback.target import find_target
from runner.spec.load import load_specs


@click.command()
@click.argument("spec")
@click.option("--to", "wanted", metavar="VERSION", help="Version; default: what was live before, and is not on hold.")
@click.option("--reason", default="the version that is live is worse", show_default=True, help="Why.")
@click.option("--open", "open_", is_flag=True, help="Push the branch and open the pull request on GitHub.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@BY
@click.pass_obj
def rollback(
    directory: Path, spec: str, wanted: str | None, reason: str, open_: bool, as_json: bool, by: str | None
) -> None:
    """Go back to the version of SPEC that was live before: verify and load it, restore its spec on a branch.

    The version that is live is put on hold, and goes once the branch is merged. The working tree stays as it is.
    """
    project = project_of(directory, spec)
    who, why, registry = who_decides(project, by), in_words(reason), project.main_registry
    propose = _opener(project) if open_ else None
    target = find_target(registry, spec, _alias(project, spec), wanted)
    with Narrator() as narrator:
        done = roll_back(
            project.root,
            target,
            who,
            why,
            registry,
            project.config,
            cache_folder(),
            narrator.report,
            datetime.now(UTC),
        )
    url = propose(done) if propose else None
    click.echo(_as_json(done, url) if as_json else _as_text(done, url))


def _alias(project: Project, name: str) -> str:
    """Return the alias that the spec asks for; of a spec that is gone or broken, the one that moved last."""
    try:
        return load_specs(project.root, [name])[0].spec.deployment.alias
    except (SpecError, UsageError):
        entries = [entry for entry in project.main_registry.deployed() if entry.name == name]
        if not entries:
            raise
        return max(entries, key=lambda entry: entry.deployed).alias


def _opener(project: Project) -> Callable[[Rollback], str]:
    """Connect before anything is verified, and see what the remote has by now."""
    from runner.github.connection import connect
    from runner.github.rollback import checks_start, open_rollback, push_access

    repository = connect(os.environ)
    git_branch.fetch_branch(project.root, project.config.policy.deploy_branch, push_access(project.root, os.environ))
    if not checks_start(os.environ):
        click.echo(
            "GitHub starts no checks for what GITHUB_TOKEN opens: close and reopen the pull request, or give the "
            "workflow GITUNE_APP_TOKEN",
            err=True,
        )
    return lambda done: open_rollback(repository, project.root, done, os.environ)


def _as_text(done: Rollback, url: str | None) -> str:
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
    base = done.start.name.removeprefix(f"{git_branch.REMOTE}/")
    push = f"git push --force-with-lease {git_branch.REMOTE} {done.branch}"
    return [push, f"gh pr create --base {base} --head {done.branch} --fill"]


def _as_json(done: Rollback, url: str | None) -> str:
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
