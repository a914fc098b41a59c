"""`gitune history NAME`: what was live when, from the deployment log."""

from __future__ import annotations

import json
from pathlib import Path

import click

from runner.cli.project import open_project
from runner.spec.load import load_specs


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the log as JSON.")
@click.pass_obj
def history(directory: Path, name: str, as_json: bool) -> None:
    """List the deployments of NAME, newest first."""
    project = open_project(directory)
    (loaded,) = load_specs(project.root, [name])
    log = project.registry.deployments(name, loaded.spec.deployment.alias)[::-1]
    if as_json:
        entries = [entry.model_dump(mode="json") for entry in log]
        click.echo(json.dumps({"format_version": "1.0", "name": name, "deployments": entries}, indent=2))
        return
    if not log:
        click.echo(f"{name} has never been deployed as {loaded.spec.deployment.alias}")
    for entry in log:
        was = f"was {entry.previous}" if entry.previous else "first"
        when = f"{entry.deployed:%Y-%m-%d %H:%M:%S}"
        pointer = f"{entry.alias} → {entry.version:<10}"
        click.echo(f"#{entry.number:<4} {when}  {pointer} {was:<12} commit {entry.commit[:12]}")
