"""`gitune data`: pin the inputs of specs, look at what is trained."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.preview import preview
from runner.cli.project import open_project
from runner.evaluation.outside import embedding_uris
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
        uris = [loaded.spec.base_model, *embedding_uris(loaded.spec, project.config)]
        pins = {uri: pin_base(uri, project.root) for uri in uris if needs_pin(uri)}
        if not pins:
            click.echo(f"{loaded.spec.name}: nothing to pin, {' and '.join(uris)} is in the repository")
            continue
        if load_lock(loaded.folder) == pins:
            click.echo(f"{loaded.spec.name}: data.lock is up to date")
            continue
        write_lock(loaded.folder, pins)
        for uri, pin in pins.items():
            click.echo(f"{loaded.spec.name}: pinned {uri} at {pin.sha256[:12]} ({pin.size:,} bytes)")
