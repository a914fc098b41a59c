"""`gitune validate`: every problem of every spec, and of the config, at once."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.project import open_project
from runner.errors import SpecError
from runner.plan.floors import undercuts


@click.command()
@click.argument("specs", nargs=-1)
@click.pass_obj
def validate(directory: Path, specs: tuple[str, ...]) -> None:
    """Check SPECS (default: every spec), the files they name, their pins and the published JSON Schema."""
    project = open_project(directory)
    project.check_schema(specs)
    subjects = project.subjects(specs)
    if problems := [problem for subject in subjects for problem in undercuts(subject.loaded, project.config)]:
        raise SpecError(problems)
    for subject in subjects:
        click.echo(f"{subject.loaded.file}: {subject.spec.name} {subject.spec.version} is valid")
