"""`gitune data`: pin the inputs of specs, look at what is trained."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.preview import preview
from runner.cli.project import open_project
from runner.models.base import needs_pin, pin_base
from runner.spec.load import load_specs
from runner.spec.lock import load_lock, write_lock


@click.group()
def data() -> None:
    """Pin and inspect the inputs of specs."""


data.add_command(preview)


@data.command()
@click.argument("specs", nargs=-1)
@click.pass_obj
def lock(directory: Path, specs: tuple[str, ...]) -> None:
    """Write data.lock of SPECS (default: every spec): digest and size of inputs that are not in the repository."""
    project = open_project(directory)
    for loaded in load_specs(project.root, specs):
        uri = loaded.spec.base_model
        if not needs_pin(uri):
            click.echo(f"{loaded.spec.name}: nothing to pin, {uri} is in the repository")
            continue
        pins = {uri: pin_base(uri, project.root)}
        if load_lock(loaded.folder) == pins:
            click.echo(f"{loaded.spec.name}: data.lock is up to date")
            continue
        write_lock(loaded.folder, pins)
        click.echo(f"{loaded.spec.name}: pinned {uri} at {pins[uri].sha256[:12]} ({pins[uri].size:,} bytes)")
