"""`gitune plan`: what an apply would do, and why. Writes nothing but the file that `-o` names."""

from __future__ import annotations

import json
from pathlib import Path

import click

from runner.cli.namespaces import ADOPT, NAMESPACE
from runner.cli.plan_output import AS_JSON, EVERY_STEP, FORM, Format, asked_miss, show_misses, show_plan
from runner.cli.planning import THROUGH, last_step, make
from runner.cli.project import open_project
from runner.plan.request import Request

CHANGES = 2


@click.command()
@click.argument("specs", nargs=-1)
@AS_JSON
@FORM
@click.option(
    "--why-miss",
    is_flag=False,
    flag_value=EVERY_STEP,
    metavar="[STEP]",
    help="Say what each step that runs (or one STEP) differs in from the nearest earlier run.",
)
@click.option("--matrix", "as_matrix", is_flag=True, help="Print the jobs that CI must start, as GitHub's matrix.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there are changes.")
@click.option(
    "-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Save the plan; `gitune apply FILE` does it."
)
@click.option("--base", metavar="REF", help="Plan only what changed since HEAD left this branch or commit.")
@click.option("--through", type=THROUGH, help="Last step to plan; `evaluate` is all up to the gate.")
@click.option("--retry", is_flag=True, help="Plan steps again that failed before for good.")
@click.option("--force-older", is_flag=True, help="Allow a deployment from a commit that is not after the live one.")
@click.option(
    "--registry-snapshot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Plan from a published snapshot of the registry: no credentials, no network.",
)
@NAMESPACE
@ADOPT
@click.pass_obj
def plan(
    directory: Path,
    specs: tuple[str, ...],
    as_json: bool,
    form: Format,
    why_miss: str | None,
    as_matrix: bool,
    detailed_exitcode: bool,
    out: Path | None,
    base: str | None,
    through: str | None,
    retry: bool,
    force_older: bool,
    registry_snapshot: Path | None,
    namespace: str | None,
    adopt: tuple[str, ...],
) -> int:
    """Say what an apply would do for all SPECS (default: every spec), and why."""
    project = open_project(directory, namespace, registry_snapshot)
    if registry_snapshot is not None and not registry_snapshot.exists():
        click.echo(f"{registry_snapshot} is not there: no snapshot was published yet", err=True)
    asked, specs = asked_miss(why_miss, specs)
    project.tell_if_empty()
    request = Request(
        specs=specs, base=base, through=last_step(through), retry=retry, force_older=force_older, adopt=adopt
    )
    planned = make(project, request)
    found = planned.plan
    form = "json" if as_json else form
    if as_matrix:
        from runner.plan.matrix import matrix_of

        click.echo(json.dumps(matrix_of(found, planned.subjects, project.config)))
        return 0
    click.echo(show_misses(found, planned.subjects, project.registry, asked, form) if asked else show_plan(found, form))
    if out is not None:
        planned.save(project, out)
        click.echo(f"saved; `gitune apply {out}` does exactly this, or refuses when anything changed", err=True)
    if found.faulty:
        return 1
    return CHANGES if detailed_exitcode and not found.idle else 0
