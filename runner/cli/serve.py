"""`gitune serve`: answer over HTTP with whatever is deployed, following the deployment log."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.project import cache_folder, open_project
from runner.errors import GituneError


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address; anything but loopback needs an API key.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free port.")
@click.pass_obj
def serve(directory: Path, host: str, port: int) -> None:
    """Serve every deployed model with an OpenAI-compatible API until interrupted."""
    try:
        from runner.serving.engines import loader
        from runner.serving.serve import serve as run_server
    except ModuleNotFoundError as error:
        raise GituneError(
            f"serve needs {error.name}, which is not installed", hint="pip install 'gitune[serve]'"
        ) from error

    project = open_project(directory)
    load = loader(project.registry, project.root, cache_folder())
    run_server(project.registry, load, host, port, lambda line: click.echo(line, err=True))
