"""`gitune registry snapshot -o FILE`: the registry's facts in one file, for `gitune plan --registry-snapshot`."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.project import open_project
from runner.registry.snapshot import write_snapshot


@click.command("snapshot")
@click.option("-o", "--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="File to write.")
@click.pass_obj
def snapshot_(directory: Path, out: Path) -> None:
    """Write what the registry knows into FILE: records, versions, deployments, decisions, and sizes of artifacts.

    It holds no rows, answers or weights. Who has it can plan without credentials.
    """
    project = open_project(directory)
    project.tell_if_empty()
    out.parent.mkdir(parents=True, exist_ok=True)
    count = write_snapshot(project.store, out)
    click.echo(f"wrote {out}: {count} objects, {out.stat().st_size:,} bytes")
