"""`gitune registry VERB`: look after what the registry keeps."""

from __future__ import annotations

import importlib

import click

VERBS = {"unlock": "End another run's claim on a step by force."}


class RegistryGroup(click.Group):
    """A group that knows its verbs' names and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(importlib.import_module(f"runner.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List verbs with their one line, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=RegistryGroup)
def registry() -> None:
    """Look after what the registry keeps."""
