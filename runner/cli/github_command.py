"""`gitune github command`: do what a comment of a pull request asks for."""

from __future__ import annotations

import os
from pathlib import Path

import click

from runner.cli.repository import cache_folder, find_root
from runner.github.connection import connect
from runner.github.event import read_event
from runner.github.obey import obey
from runner.github.report import Desk
from runner.report.text import printable


@click.command()
@click.pass_obj
def command(directory: Path) -> None:
    """Do what a comment with `/gitune …` asks for: judge again, train, or write a code owner's approval.

    Only people with write permission are heard. A refusal is answered there and is no error here. Run it in a clone of
    the base branch.
    """
    event, connection = read_event(os.environ), connect(os.environ)
    # One line without control characters: a runner reads what looks like a command of a workflow.
    click.echo(printable(obey(Desk(connection, find_root(directory), cache_folder(), os.environ), event)))
