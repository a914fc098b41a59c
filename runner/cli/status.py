"""`gitune status`: what the specs ask for against what is live."""

from __future__ import annotations

import json
from pathlib import Path

import click

from runner.cli.project import open_project
from runner.plan.build import build_plan
from runner.plan.model import SpecPlan
from runner.registry.facts import Deployment


@click.command()
@click.argument("specs", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
@click.pass_obj
def status(directory: Path, specs: tuple[str, ...], as_json: bool) -> None:
    """Compare SPECS (default: every spec) with what is live."""
    project = open_project(directory)
    subjects = project.subjects(specs)
    plan = build_plan(subjects, project.registry, project.delivery())
    rows = []
    for subject, spec_plan in zip(subjects, plan.specs, strict=True):
        spec = subject.spec
        live = project.registry.live(spec.name, spec.deployment.alias)
        rows.append(
            {
                "name": spec.name,
                "wanted": spec.version,
                "alias": spec.deployment.alias,
                "live": live.version if live else None,
                "since": live.deployed.isoformat(timespec="seconds") if live else None,
                "state": _state(spec_plan, live),
            }
        )
    if as_json:
        click.echo(json.dumps({"format_version": "1.0", "specs": rows}, indent=2))
        return
    for row in rows:
        live_text = f"{row['alias']} = {row['live']} since {row['since']}" if row["live"] else "never deployed"
        click.echo(f"{row['name']}  wants {row['wanted']}  {live_text}  {row['state']}")


def _state(plan: SpecPlan, live: Deployment | None) -> str:
    blocked = next((step for step in plan.steps if step.action == "BLOCKED"), None)
    if blocked is not None:
        return f"blocked: {blocked.step}: {blocked.reason}"
    waiting = [step.step for step in plan.steps if step.action in ("RUN", "DEPENDS")]
    if waiting:
        return f"needs an apply: {', '.join(waiting)}"
    in_sync = live is not None and live.version == plan.version
    return "in sync" if in_sync else plan.step("deploy").reason
