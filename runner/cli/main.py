"""`gitune VERB`: finds the verb's module, and turns every error into one message and an exit code.

A verb's module is imported only when that verb runs, so `gitune --help` costs click and nothing else.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import click

from runner.cli.log_commands import switch_off_log_commands
from runner.errors import GituneError

USAGE, INTERRUPTED = 64, 130

VERBS = {
    "init": "Make a repository with a first spec from your own data.",
    "validate": "Check specs and say everything that is wrong.",
    "plan": "Say what an apply would do, and why.",
    "apply": "Run the steps that are needed, judge the gates, deploy.",
    "show": "Show a saved plan.",
    "diff": "Say what changed in the specs, and what that means.",
    "status": "Compare what the specs ask for with what is live.",
    "explain": "Print and verify the proof of a released version.",
    "history": "List what was live when.",
    "rollback": "Go back to a version that was live before, by pull request.",
    "release": "Write the changelog of a version from facts; end a hold.",
    "gate": "Approve thin evidence, hold deployments back, list what was decided, try the gates.",
    "ci": "Judge what a branch changes, for any CI system.",
    "report": "Render the evaluation report of a spec, or compare two versions.",
    "eval": "Score stored answers anew, follow test rows through versions.",
    "serve": "Answer over HTTP with whatever is deployed.",
    "github": "Speak with GitHub, in a workflow.",
    "registry": "Look at what is kept, verify it, make room, carry versions elsewhere.",
    "data": "Pin and inspect the inputs of specs.",
    "doctor": "Say what this machine has, what will be used, and what is missing.",
    "schema": "Write the JSON Schemas and the spec reference.",
    "version": "Print the version.",
}


class VerbGroup(click.Group):
    """A group that knows its verbs' names and imports one only to run it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs in the order of a user's day."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = getattr(_import_once(f"runner.cli.{cmd_name}"), cmd_name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or suggest the nearest one."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List verbs with their one line, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=VerbGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-C",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Work in this repository.",
)
@click.pass_context
def gitune(context: click.Context, directory: Path) -> None:
    """Fine-tune language models by pull request."""
    context.obj = directory


def main(arguments: list[str] | None = None) -> None:
    """Run a verb and exit with its code (docs/cli.md)."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        from runner.cli.hosted import drop_empty

        drop_empty(os.environ)
    switch_off_log_commands()
    try:
        code = gitune.main(arguments, prog_name="gitune", standalone_mode=False)
    except click.UsageError as error:
        error.show()
        code = USAGE
    except click.ClickException as error:
        error.show()
        code = 1
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted; the next apply goes on from the last finished step", err=True)
        code = INTERRUPTED
    except GituneError as error:
        click.echo(f"{click.style('Error:', fg='red', bold=True)} {error}", err=True, color=_coloured(sys.stderr))
        code = error.exit_code
    except OSError as error:
        # A file of the user's, or the terminal: what went wrong is in the words of the operating system.
        click.echo(f"Error: {error}", err=True)
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _import_once(name: str) -> ModuleType:
    """Import a verb's module without looking for garbage meanwhile, nor later among what it has brought.

    There is next to none: modules stay. The collector would go through all of them again and again, a tenth of a plan.
    """
    if (known := sys.modules.get(name)) is not None:
        return known
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()


def _coloured(stream: Any) -> bool:
    return bool(stream.isatty()) and "NO_COLOR" not in os.environ
