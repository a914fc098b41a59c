"""`gitune validate`: every problem of every spec, and of the config, at once."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.project import open_project


@click.command()
@click.argument("specs", nargs=-1)
@click.pass_obj
def validate(directory: Path, specs: tuple[str, ...]) -> None:
    """Check SPECS (default: every spec), the files they name, their pins and the published JSON Schema."""
    project = open_project(directory)
    project.check_schema(specs)
    for subject in project.subjects(specs):
        click.echo(f"{subject.loaded.file}: {subject.spec.name} {subject.spec.version} is valid")
