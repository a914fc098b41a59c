"""`gitune plan`: what an apply would do, and why. Writes nothing."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.project import coloured, open_project
from runner.models.memory import training_memory
from runner.plan.build import build_plan
from runner.report.text import render_plan

CHANGES = 2


@click.command()
@click.argument("specs", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON (docs/cli.md).")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there are changes.")
@click.option("--retry", is_flag=True, help="Plan steps again that failed before for good.")
@click.option("--force-older", is_flag=True, help="Allow a deployment from a commit that is not after the live one.")
@click.pass_obj
def plan(
    directory: Path, specs: tuple[str, ...], as_json: bool, detailed_exitcode: bool, retry: bool, force_older: bool
) -> int:
    """Say what an apply would do for all SPECS (default: every spec), and why."""
    project = open_project(directory)
    project.tell_if_empty()
    delivery = project.delivery(force_older=force_older)
    found = build_plan(project.subjects(specs), project.registry, delivery, retry=retry, memory=training_memory())
    click.echo(found.model_dump_json(indent=2) if as_json else render_plan(found, coloured()))
    return CHANGES if detailed_exitcode and not found.idle else 0
