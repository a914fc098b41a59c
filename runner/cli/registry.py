"""`gitune registry`: look at what is kept, verify it, make room, carry versions elsewhere.

Each verb's module is imported only when it runs: a listing needs none of what garbage collection does.
"""

from __future__ import annotations

import importlib

import click

VERBS = {
    "ls": ("runner.cli.registry_look", "List names, versions and what is live."),
    "show": ("runner.cli.registry_look", "Show a version, a record or an artifact."),
    "verify": ("runner.cli.registry_verify", "Check every digest and chain."),
    "gc": ("runner.cli.registry_gc", "Say what could be deleted, and delete it if told to."),
    "export": ("runner.cli.registry_portable", "Write one version as a portable folder."),
    "import": ("runner.cli.registry_portable", "Take over a version from such a folder."),
    "snapshot": ("runner.cli.registry_snapshot", "Write the facts into one file, for plans without credentials."),
    "unlock": ("runner.cli.unlock", "End another run's claim on a step by force."),
}


class RegistryGroup(click.Group):
    """A group that knows its verbs' names and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs in the order of a user's needs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one verb."""
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(VERBS[cmd_name][0])
        command: click.Command = getattr(module, f"{cmd_name}_")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List verbs with their one line, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(verb, words) for verb, (_, words) in VERBS.items()])


@click.group(cls=RegistryGroup)
def registry() -> None:
    """Look at what is kept, verify it, make room, carry versions elsewhere."""
