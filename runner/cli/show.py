"""`gitune show FILE`: what a saved plan would do, as it was when it was made."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.project import coloured
from runner.plan.saved import read_plan
from runner.report.scope import render_scoped


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the plan as `plan --json` does.")
def show(file: Path, as_json: bool) -> int:
    """Show the plan in FILE. Whether it is stale, `apply` says."""
    plan = read_plan(file).plan
    click.echo(plan.model_dump_json(indent=2) if as_json else render_scoped(plan, coloured()))
    return 0
