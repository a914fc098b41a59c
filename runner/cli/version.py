"""`gitune version`."""

import click

import runner


@click.command()
def version() -> None:
    """Print the version."""
    click.echo(runner.__version__)
