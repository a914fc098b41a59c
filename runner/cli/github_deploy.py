"""`gitune github deploy`: after a merge, move an alias to what was merged; tag, release, and tell."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import click

from runner import git
from runner.cli.apply import CODES
from runner.cli.namespaces import take_over
from runner.cli.planning import Planned, make
from runner.cli.project import Project, open_project
from runner.cli.running import account_for, run_plan
from runner.errors import GituneError
from runner.github.connection import Connection, connect
from runner.github.merged import merged_by
from runner.github.outputs import write_summary
from runner.github.releases import publish
from runner.github.snapshot_branch import BRANCH, SNAPSHOT, publish_snapshot
from runner.plan.matrix import alias_of
from runner.plan.request import Request
from runner.registry.facts import Version
from runner.registry.snapshot import write_snapshot
from runner.report.deployed import deployed_markdown, release_markdown
from runner.report.outcome import render_outcomes

MOST_COMMITS = 50
"""Commits of a spec that are looked through for pull requests, the newest; what older ones trained main has."""


@click.command()
@click.option("--alias", required=True, help="The alias to move; others have a queue of their own.")
@click.option("--train", is_flag=True, help="Train here what no pull request trained.")
@click.pass_obj
def deploy(directory: Path, alias: str, train: bool) -> int:
    """Adopt what the merged pull requests trained, judge it again, and move ALIAS; tag and release what is new.

    Fails where something would have to be trained, unless told to. A second run changes nothing.
    """
    project, connection = open_project(directory), connect(os.environ)
    project.require_shared_store()
    planned = _of_alias(make(project, Request()), alias)
    numbers = merged_by(connection.repository, _commits(project, planned), project.config.policy.deploy_branch)
    held = [number for number in numbers if next(iter(project.store.list(f"pr/{number}")), None) is not None]
    if held:
        planned = _of_alias(make(project, Request(adopt=tuple(f"pr/{number}" for number in held))), alias)
        take_over(project, planned)
    outcomes = run_plan(project, planned, 1, no_train=not train)
    account_for(project, planned.plan, outcomes)
    click.echo(render_outcomes(outcomes, coloured=False))
    code = next((code for code in CODES if code in {outcome.exit_code for outcome in outcomes}), 0)
    try:
        made = _publish(project, planned, connection, alias)
    except GituneError as error:
        # The alias has moved; the next run makes up for this.
        click.echo(f"Error: {error}", err=True)
        made, code = [], code or 1
    write_summary(os.environ, deployed_markdown(alias, outcomes, numbers, made))
    return code


def _of_alias(planned: Planned, alias: str) -> Planned:
    """Keep the specs of one alias; what they share with others is decided again where it runs."""
    specs = [spec for spec in planned.plan.specs if alias_of(spec, planned.subjects) == alias]
    return replace(planned, plan=planned.plan.model_copy(update={"specs": specs}))


def _commits(project: Project, planned: Planned) -> list[str]:
    """Return the commits since each alias moved that changed specs which have something to do, the newest first."""
    found: dict[str, None] = {}
    for spec in planned.plan.specs:
        if all(step.action in ("REUSE", "NONE") for step in spec.steps):
            continue
        entry = project.registry.live(spec.name, alias_of(spec, planned.subjects))
        since = entry.commit if entry else None
        found |= dict.fromkeys(git.commits_of(project.root, since, f"specs/{spec.name}", MOST_COMMITS))
    return [*found]


def live_versions(project: Project, planned: Planned) -> list[tuple[Version, str]]:
    """Return what is live of this repository's specs, each with its alias."""
    # A store may be shared: what no spec of this repository asks for is another's to tag.
    own = {one.spec.name for one in planned.subjects}
    entries = [entry for entry in project.registry.deployed() if entry.version and entry.name in own]
    found = ((entry, project.registry.version(entry.name, str(entry.version))) for entry in entries)
    return [(version, entry.alias) for entry, version in found if version is not None]


def _publish(project: Project, planned: Planned, connection: Connection, alias: str) -> list[str]:
    """Tag and release every version that is live under the alias and is not yet; publish what the registry knows."""
    primary = {one.spec.name: one.spec.evaluation.primary for one in planned.subjects}
    versions = [version for version, place in live_versions(project, planned) if place == alias]

    def describe(version: Version) -> str:
        return release_markdown(version, primary[version.name], project.registry)

    made = publish(connection.repository, versions, describe)
    for tag in made:
        click.echo(f"released: {tag}")
    with tempfile.TemporaryDirectory(prefix="gitune-snapshot-") as folder:
        file = Path(folder) / SNAPSHOT
        write_snapshot(project.store, file)
        if publish_snapshot(connection.repository, file.read_bytes()):
            click.echo(f"published: {SNAPSHOT} on branch {BRANCH}")
    return made
