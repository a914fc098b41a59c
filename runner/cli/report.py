"""`gitune report NAME`: the evaluation report of a spec as it is now."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.project import Project, open_project
from runner.errors import GituneError, UsageError
from runner.plan.build import look
from runner.plan.walk import Walk
from runner.report.formats import FORMATS, Format, format_of, render
from runner.report.gather import gather_report
from runner.report.junit import render_junit_error


@click.command()
@click.argument("name")
@click.option("--format", "asked", type=click.Choice(FORMATS), help="How to write it; else what FILE ends in says.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
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
    directory: Path,
    name: str,
    asked: Format | None,
    as_json: bool,
    out: Path | None,
    compare: tuple[str, str] | None,
    common_rows: bool,
) -> None:
    """Render what NAME's evaluation found: gates, metrics, loss curve, examples."""
    if as_json and asked not in (None, "json"):
        raise UsageError(f"--json and --format {asked} ask for two formats", hint="leave one out")
    form = format_of("json" if as_json else asked, out, otherwise="text" if compare else "markdown")
    if common_rows and compare is None:
        raise UsageError("--common-rows is about a comparison", hint="name two versions with --compare A B")
    project = open_project(directory)
    if compare is None:
        _write(_rendered(project, name, form, out), out)
        return
    from runner.cli.report_compare import compared

    if form in ("junit", "html"):
        raise UsageError(f"a comparison is not written as {form}", hint="use --format markdown, json or text")
    _write(compared(project, name, compare, form, common_rows=common_rows), out)


def _rendered(project: Project, name: str, form: Format, out: Path | None) -> str:
    try:
        (subject,) = project.subjects([name])
        return render(gather_report(look(Walk(subject, project.registry, project.delivery()))), form)
    except GituneError as error:
        # A missing file would look like no tests at all to whoever collects them.
        if form == "junit":
            _write(render_junit_error(name, error), out)
        raise


def _write(text: str, out: Path | None) -> None:
    if out is None or str(out) == "-":
        click.echo(text, nl=False)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    click.echo(f"wrote {out}", err=True)
