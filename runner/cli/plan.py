"""`gitune plan`: what an apply would do, and why. Writes nothing."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.plan_output import EVERY_STEP, FORMATS, Format, asked_miss, show_misses, show_plan
from runner.cli.project import open_project
from runner.models.memory import training_memory
from runner.plan.build import build_plan

CHANGES = 2


@click.command()
@click.argument("specs", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json (docs/cli.md).")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", help="Markdown is for pull requests.")
@click.option(
    "--why-miss",
    is_flag=False,
    flag_value=EVERY_STEP,
    metavar="[STEP]",
    help="Say what each step that runs (or one STEP) differs in from the nearest earlier run.",
)
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there are changes.")
@click.option("--retry", is_flag=True, help="Plan steps again that failed before for good.")
@click.option("--force-older", is_flag=True, help="Allow a deployment from a commit that is not after the live one.")
@click.pass_obj
def plan(
    directory: Path,
    specs: tuple[str, ...],
    as_json: bool,
    form: Format,
    why_miss: str | None,
    detailed_exitcode: bool,
    retry: bool,
    force_older: bool,
) -> int:
    """Say what an apply would do for all SPECS (default: every spec), and why."""
    project = open_project(directory)
    delivery = project.delivery(force_older=force_older)
    asked, specs = asked_miss(why_miss, specs)
    subjects = project.subjects(specs)
    found = build_plan(
        subjects, project.registry, delivery, retry=retry, memory=training_memory(), config=project.config
    )
    form = "json" if as_json else form
    shown = show_misses(found, subjects, project.registry, asked, form) if asked else show_plan(found, form)
    click.echo(shown)
    return CHANGES if detailed_exitcode and not found.idle else 0
