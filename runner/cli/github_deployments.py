"""`gitune github deployments`: the aliases that an apply on this commit would move, as the matrix of a workflow."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from runner.cli.planning import make
from runner.cli.project import open_project
from runner.github.outputs import write_output
from runner.plan.matrix import aliases_of
from runner.plan.request import Request


@click.command()
@click.pass_obj
def deployments(directory: Path) -> None:
    """Set the output `matrix` to the aliases that have something to do: `{"include": [{"alias": …}]}`."""
    project = open_project(directory)
    project.require_shared_store()
    planned = make(project, Request())
    matrix = json.dumps({"include": [{"alias": alias} for alias in aliases_of(planned.plan, planned.subjects)]})
    write_output(os.environ, "matrix", matrix)
    click.echo(matrix)
