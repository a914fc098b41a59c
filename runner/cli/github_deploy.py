"""`gitune github deploy`: after a merge, move an alias to what was merged; tag, release, and tell."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runner.cli.after_merge import adopt_of, commits_of, plan_alias
from runner.cli.apply import CODES
from runner.cli.planning import Planned
from runner.cli.project import Project, open_project
from runner.cli.running import account_for, run_plan
from runner.errors import GituneError
from runner.github.connection import Connection, connect
from runner.github.merged import merged_by
from runner.github.outputs import write_summary
from runner.github.releases import Publication, publish
from runner.github.snapshot_branch import BRANCH, SNAPSHOT, publish_registry
from runner.plan.cost import refuse_over_budget
from runner.registry.facts import Version
from runner.report.deployed import deployed_markdown, release_markdown
from runner.report.outcome import render_outcomes


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
    planned = plan_alias(project, alias)
    numbers = merged_by(connection.repository, commits_of(project, planned), project.config.policy.deploy_branch)
    if adopt_of(project, planned, numbers):
        planned = plan_alias(project, alias)
    if train:
        refuse_over_budget(planned.plan)
    outcomes = run_plan(project, planned, 1, no_train=not train)
    account_for(project, planned.plan, outcomes)
    click.echo(render_outcomes(outcomes, coloured=False))
    code = next((code for code in CODES if code in {outcome.exit_code for outcome in outcomes}), 0)
    publication = _publish(project, planned, connection, alias)
    for fault in publication.faults:
        # The alias has moved; the next run makes up for this.
        click.echo(f"Error: {fault}", err=True)
    left = [str(fault) for fault in publication.faults]
    write_summary(os.environ, deployed_markdown(alias, outcomes, numbers, publication.made, left))
    return code or int(bool(left))


def live_versions(project: Project, planned: Planned) -> list[tuple[Version, str]]:
    """Return what is live of this repository's specs, each with its alias."""
    # A store may be shared: what no spec of this repository asks for is another's to tag.
    own = {one.spec.name for one in planned.subjects}
    entries = [entry for entry in project.registry.deployed() if entry.version and entry.name in own]
    found = ((entry, project.registry.version(entry.name, str(entry.version))) for entry in entries)
    return [(version, entry.alias) for entry, version in found if version is not None]


def _publish(project: Project, planned: Planned, connection: Connection, alias: str) -> Publication:
    """Tag and release every version that is live under the alias and is not yet; publish what the registry knows."""
    primary = {one.spec.name: one.spec.evaluation.primary for one in planned.subjects}
    versions = [version for version, place in live_versions(project, planned) if place == alias]

    def describe(version: Version) -> str:
        return release_markdown(version, primary[version.name], project.registry)

    publication = Publication()
    try:
        publication = publish(connection.repository, versions, describe)
        for tag in publication.made:
            click.echo(f"released: {tag}")
        if publish_registry(connection.repository, project.store):
            click.echo(f"published: {SNAPSHOT} on branch {BRANCH}")
    except GituneError as error:
        publication.faults.append(error)
    return publication
