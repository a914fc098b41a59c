"""`gitune history NAME`: what was live when, from the deployment log."""

from __future__ import annotations

import json
from pathlib import Path

import click

from runner.cli.project import open_project
from runner.registry.deployments import Move, moves
from runner.registry.facts import Deployment
from runner.report.columns import columns


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the log as JSON.")
@click.pass_obj
def history(directory: Path, name: str, as_json: bool) -> None:
    """List the deployments of NAME, newest first, one alias after another."""
    project = open_project(directory)
    aliases = project.aliases(name)
    logs = [project.registry.deployments(name, alias) for alias in aliases]
    entries = [told for log in logs for told in list(zip(log, moves(log), strict=True))[::-1]]
    if as_json:
        shown = [entry.model_dump(mode="json") | {"move": move} for entry, move in entries]
        click.echo(json.dumps({"format_version": "1.0", "name": name, "deployments": shown}, indent=2))
        return
    if not entries:
        click.echo(f"{name} has never been deployed as {aliases[0]}")
    for line in columns([_cells(entry, move) for entry, move in entries]):
        click.echo(line)


def _cells(entry: Deployment, move: Move) -> list[str]:
    pointer = f"{entry.alias} → {entry.version or 'nothing'}"
    was = f"was {entry.previous}" if entry.previous else "was nothing" if entry.number > 1 else "first"
    when = f"{entry.deployed:%Y-%m-%d %H:%M:%S}"
    return [f"#{entry.number}", when, move, pointer, was, f"commit {entry.commit[:12]}"]
