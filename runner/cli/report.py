"""`gitune report NAME`: the evaluation report of a spec as it is now."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.project import open_project
from runner.plan.build import look
from runner.plan.walk import Walk
from runner.report.gather import gather_report
from runner.report.markdown import render_markdown


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "-o",
    "--out",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="Write it to FILE; - is stdout.",
)
@click.pass_obj
def report(directory: Path, name: str, as_json: bool, out: Path | None) -> None:
    """Render what NAME's evaluation found: gates, metrics, loss curve, examples."""
    project = open_project(directory)
    (subject,) = project.subjects([name])
    found = gather_report(look(Walk(subject, project.registry, project.delivery())))
    text = found.model_dump_json(indent=2) + "\n" if as_json else render_markdown(found)
    if out is None or str(out) == "-":
        click.echo(text, nl=False)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    click.echo(f"wrote {out}", err=True)
