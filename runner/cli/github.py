"""`gitune github VERB`: what workflows call. Each verb's module is imported only when that verb runs."""

from __future__ import annotations

import importlib

import click

GITHUB_VERBS = {
    "resolve": "Say which pull request an event is about.",
    "deployments": "List the aliases that a merge moves.",
    "deploy": "After a merge: adopt, judge again, move an alias, tag and release.",
    "report": "Judge a pull request anew, and publish check and comment.",
    "command": "Do what a comment with `/gitune` asks for.",
    "drift": "Look for drift, and keep one issue about it.",
}


class GithubGroup(click.Group):
    """A group that knows its verbs' names and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs in the order of a pull request's life."""
        return list(GITHUB_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one verb."""
        if cmd_name not in GITHUB_VERBS:
            return None
        command: click.Command = getattr(importlib.import_module(f"runner.cli.github_{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List verbs with their one line, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(GITHUB_VERBS.items()))


@click.group(cls=GithubGroup)
def github() -> None:
    """Speak with GitHub, in a workflow: events in, comments, checks, releases and issues out (docs/github.md)."""
