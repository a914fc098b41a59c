"""`gitune github drift`: look for drift, and keep one issue about it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runner.cli.drifting import look_at
from runner.cli.progress import Narrator
from runner.cli.project import open_project
from runner.drift.find import find_drift
from runner.drift.probes import Prober


@click.command()
@click.option("--full", is_flag=True, help="Read every byte that live versions rest on.")
@click.pass_obj
def drift(directory: Path, full: bool) -> None:
    """Ask registry, servers, providers and the hub what has drifted, and open, update or close one issue.

    Exits with 0 whatever was found, once it is told.
    """
    from runner.github.connection import connect
    from runner.github.issues import tell_drift

    connection = connect(os.environ)
    look = look_at(open_project(directory))
    with Narrator() as narrator:
        drifts = find_drift(look, Prober(), full=full, report=narrator.report)
    for found in drifts:
        click.echo(f"{found.where}  {found.code}: {found.what}")
    click.echo(tell_drift(connection, drifts))
