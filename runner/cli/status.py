"""`gitune status`: what the specs ask for against what is live, and what has drifted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from runner.cli.drifting import look_at
from runner.cli.progress import Narrator
from runner.cli.project import open_project
from runner.drift.find import find_drift
from runner.drift.finding import Drift
from runner.drift.probes import Prober
from runner.plan.model import SpecPlan
from runner.registry.facts import Deployment
from runner.registry.views import RegistryReader
from runner.report.columns import columns

DRIFTED = 2


@click.command()
@click.argument("specs", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
@click.option("--probe", is_flag=True, help="Ask servers, providers and the hub too.")
@click.option("--full", is_flag=True, help="Read every byte that live versions rest on.")
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when anything has drifted.")
@click.pass_obj
def status(
    directory: Path, specs: tuple[str, ...], as_json: bool, probe: bool, full: bool, detailed_exitcode: bool
) -> int:
    """Compare SPECS (default: every spec, and what no spec asks for any more) with what is live.

    Below stands what has drifted: what no apply that is due would mend. Nothing is changed.
    """
    project = open_project(directory)
    project.tell_if_empty()
    look = look_at(project, specs)
    rows = [_row(plan, look.alias_of(plan), look.registry) for plan in look.plan.specs]
    with Narrator() as narrator:
        drifts = find_drift(look, Prober() if probe else None, full=full, report=narrator.report)
    if as_json:
        shown = {"format_version": "1.0", "specs": rows, "drift": [asdict(drift) for drift in drifts]}
        click.echo(json.dumps(shown, indent=2, ensure_ascii=False))
    else:
        for line in [*columns([_cells(row) for row in rows]), *_told(drifts)]:
            click.echo(line)
    return DRIFTED if drifts and detailed_exitcode else 0


def _row(plan: SpecPlan, alias: str, registry: RegistryReader) -> dict[str, str | None]:
    entry = registry.live(plan.name, alias)
    return {
        "name": plan.name,
        "wanted": None if plan.removed else plan.version,
        "alias": alias,
        "live": entry.version if entry else None,
        "since": entry.deployed.isoformat(timespec="seconds") if entry else None,
        "state": _state(plan, entry),
    }


def _told(drifts: list[Drift]) -> Iterator[str]:
    """Yield what has drifted, below the table."""
    if drifts:
        yield ""
        yield f"Drift: {len(drifts)} finding{'' if len(drifts) == 1 else 's'}"
    for drift in drifts:
        yield f"! {drift.where}  {drift.code}: {drift.what}"
        yield f"    {drift.remedy}"


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
