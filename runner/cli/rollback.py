"""`gitune rollback SPEC`: verify a version that was live before, and propose to go back to it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.progress import Narrator
from runner.cli.project import Project, cache_folder
from runner.cli.rollback_output import render_json, render_text
from runner.cli.ruling import BY, in_words, project_of, who_decides
from runner.errors import SpecError, UsageError
from runner.rollback.roll_back import roll_back
from runner.rollback.target import find_target
from runner.spec.load import load_specs

if TYPE_CHECKING:
    from runner.github.rollback import Proposer


@click.command()
@click.argument("spec")
@click.option("--to", "wanted", metavar="VERSION", help="Version; default: what was live before, and is not on hold.")
@click.option("--reason", default="no reason was given", help="Why; it is kept with the hold.")
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
    proposer = _proposer(project) if open_ else None
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
    url = proposer.open(done) if proposer else None
    click.echo(render_json(done, url) if as_json else render_text(done, url))


def _alias(project: Project, name: str) -> str:
    """Return the alias that the spec asks for; of a spec that is gone or broken, the one that moved last."""
    try:
        return load_specs(project.root, [name])[0].spec.deployment.alias
    except (SpecError, UsageError):
        entries = [entry for entry in project.main_registry.deployed() if entry.name == name]
        if not entries:
            raise
        return max(entries, key=lambda entry: entry.deployed).alias


def _proposer(project: Project) -> Proposer:
    """Connect before anything is verified."""
    from runner.github.connection import ACTIONS
    from runner.github.rollback import proposer

    found = proposer(project.root, project.config.policy.deploy_branch, os.environ)
    if found.connection.app == ACTIONS:
        what = "GitHub starts no checks for what a job's own token opens: close and reopen the pull request"
        click.echo(f"{what}, or give the job the token of a GitHub App", err=True)
    return found
