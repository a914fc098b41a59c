"""`gitune schema`: the JSON Schemas and the spec reference, generated from the models."""

from __future__ import annotations

from pathlib import Path

import click

from runner.errors import GituneError
from runner.spec.schema import generated_files


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when a file is out of date.")
@click.pass_obj
def schema(directory: Path, check: bool) -> None:
    """Write schemas/*.schema.json and docs/spec.md."""
    files = generated_files()
    stale = [name for name, text in files.items() if _read(directory / name) != text]
    if check and stale:
        raise GituneError(f"out of date: {', '.join(stale)}", hint="run `gitune schema` and commit the result")
    for name in stale:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(files[name], encoding="utf-8")
        click.echo(f"wrote {name}")


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None
