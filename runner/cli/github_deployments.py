"""`gitune github deployments`: the aliases that an apply on this commit would move, as the matrix of a workflow."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from runner.cli.github_deploy import live_versions
from runner.cli.planning import make
from runner.cli.project import open_project
from runner.github.connection import connect
from runner.github.outputs import write_output
from runner.github.releases import tag_of, unpublished
from runner.plan.matrix import aliases_of
from runner.plan.request import Request


@click.command()
@click.pass_obj
def deployments(directory: Path) -> None:
    """Set the output `matrix` to the aliases that have something to do: `{"include": [{"alias": …}]}`.

    What an earlier run left without a tag or release counts.
    """
    project, connection = open_project(directory), connect(os.environ)
    project.require_shared_store()
    planned = make(project, Request())
    live = live_versions(project, planned)
    left = {tag_of(version) for version in unpublished(connection.repository, [version for version, _ in live])}
    untold = (alias for version, alias in live if tag_of(version) in left)
    found = sorted({*aliases_of(planned.plan, planned.subjects), *untold})
    matrix = json.dumps({"include": [{"alias": alias} for alias in found]})
    write_output(os.environ, "matrix", matrix)
    click.echo(matrix)
