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
@click.option("--compare", nargs=2, metavar="A B", help="Compare two versions row by row instead.")
@click.option("--common-rows", is_flag=True, help="Compare on the rows that both test sets have.")
@click.pass_obj
def report(
    directory: Path, name: str, as_json: bool, out: Path | None, compare: tuple[str, str] | None, common_rows: bool
) -> None:
    """Render what NAME's evaluation found: gates, metrics, loss curve, examples."""
    project = open_project(directory)
    if compare is not None:
        from runner.cli.report_compare import compared

        form = "json" if as_json else "text" if out is None else "markdown"
        _write(compared(project, name, compare, form, common_rows=common_rows), out)
        return
    (subject,) = project.subjects([name])
    found = gather_report(look(Walk(subject, project.registry, project.delivery())))
    text = found.model_dump_json(indent=2) + "\n" if as_json else render_markdown(found)
    _write(text, out)


def _write(text: str, out: Path | None) -> None:
    if out is None or str(out) == "-":
        click.echo(text, nl=False)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    click.echo(f"wrote {out}", err=True)
