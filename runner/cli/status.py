"""`gitune status`: what the specs ask for against what is live."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from runner.cli.project import open_project
from runner.plan.build import build_plan
from runner.plan.model import SpecPlan
from runner.registry.facts import Deployment
from runner.report.columns import columns


@click.command()
@click.argument("specs", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
@click.pass_obj
def status(directory: Path, specs: tuple[str, ...], as_json: bool) -> None:
    """Compare SPECS (default: every spec, and what no spec asks for any more) with what is live."""
    project = open_project(directory)
    project.tell_if_empty()
    subjects = project.subjects(specs)
    plan = build_plan(subjects, project.registry, project.delivery(), complete=not specs)
    aliases = {subject.spec.name: subject.spec.deployment.alias for subject in subjects}
    rows = []
    for spec_plan in plan.specs:
        alias = spec_plan.removed or aliases[spec_plan.name]
        entry = project.registry.live(spec_plan.name, alias)
        rows.append(
            {
                "name": spec_plan.name,
                "wanted": None if spec_plan.removed else spec_plan.version,
                "alias": alias,
                "live": entry.version if entry else None,
                "since": entry.deployed.isoformat(timespec="seconds") if entry else None,
                "state": _state(spec_plan, entry),
            }
        )
    if as_json:
        click.echo(json.dumps({"format_version": "1.0", "specs": rows}, indent=2))
        return
    for line in columns([_cells(row) for row in rows]):
        click.echo(line)


def _cells(row: dict[str, str | None]) -> list[str]:
    wanted = f"wants {row['wanted']}" if row["wanted"] else "is not asked for"
    if row["since"] is None:
        return [str(row["name"]), wanted, f"{row['alias']} never deployed", str(row["state"])]
    live = f"{row['alias']} = {row['live']}" if row["live"] else f"{row['alias']} undeployed"
    since = f"{live} since {datetime.fromisoformat(row['since']):%Y-%m-%d %H:%M}"
    return [str(row["name"]), wanted, since, str(row["state"])]


def _state(plan: SpecPlan, live: Deployment | None) -> str:
    if plan.step("deploy").action == "UNDEPLOY":
        return "needs an apply: undeploy"
    blocked = next((step for step in plan.steps if step.action == "BLOCKED"), None)
    if blocked is not None:
        return f"blocked: {blocked.step}: {blocked.reason}"
    waiting = [step.step for step in plan.steps if step.action in ("RUN", "DEPENDS")]
    if waiting:
        return f"needs an apply: {', '.join(waiting)}"
    in_sync = plan.removed is None and live is not None and live.version == plan.version
    return "in sync" if in_sync else plan.step("deploy").reason
