"""`gitune gate approve|hold|lift|list|selftest NAME`: what people decide about releases, and trust in the gates."""

from __future__ import annotations

import json
from pathlib import Path

import click

from runner.cli.gate_selftest import selftest
from runner.cli.project import open_project
from runner.cli.ruling import BY, REASON, lift_hold, project_of, signed
from runner.errors import GituneError, UsageError
from runner.plan.build import look
from runner.plan.floors import unproven
from runner.plan.walk import Walk
from runner.registry.facts import Ruling
from runner.report.columns import columns

VERSION = click.option("--version", "version", help="Only this version; default: whatever is new.")


@click.group()
def gate() -> None:
    """Approve thin evidence, hold deployments back, list what was decided, and try the gates themselves."""


gate.add_command(selftest)


@gate.command(short_help="Let an INCONCLUSIVE candidate be released.")
@click.argument("name")
@REASON
@BY
@click.pass_obj
def approve(directory: Path, name: str, reason: str, by: str | None) -> None:
    """Let NAME's INCONCLUSIVE candidate be released; any other scores make the approval void."""
    project = open_project(directory)
    (subject,) = project.subjects([name])
    walk = look(Walk(subject, project.registry, project.delivery()))
    spec, judged = subject.spec, walk.records.get("gate")
    if walk.released is not None:
        raise UsageError(f"{name} {spec.version} is released already: there is nothing to approve")
    if judged is None:
        raise UsageError(
            f"{name} {spec.version} has no verdict yet", hint="`gitune apply --through evaluate` judges it"
        )
    if (outcome := judged.metrics["outcome"]) != "INCONCLUSIVE":
        hint = (
            "a FAIL is not approved: change the gate in the spec, where everybody sees it" if outcome == "FAIL" else ""
        )
        raise GituneError(f"the gates of {name} {spec.version} say {outcome}, not INCONCLUSIVE", hint=hint)
    if floors := unproven(spec, subject.config, judged.metrics["verdicts"]):
        raise GituneError(
            f"policy.floors asks for {'; '.join(floors)}, and {name} {spec.version} has not shown that",
            hint="add test rows; what policy asks for is approved by nobody",
        )
    scores = walk.records["score"].outputs["scores"].digest
    project.main_registry.add_ruling(
        Ruling(kind="approve", version=spec.version, scores=scores, **signed(project, name, reason, by))
    )
    click.echo(f"approved: {name} {spec.version} with the scores {scores[:12]}; `gitune apply` releases it")


@gate.command(short_help="Deploy nothing new of a name, or never one version.")
@click.argument("name")
@VERSION
@REASON
@BY
@click.pass_obj
def hold(directory: Path, name: str, version: str | None, reason: str, by: str | None) -> None:
    """Deploy nothing new of NAME (with --version: never that version) until it is lifted."""
    project = project_of(directory, name, version)
    project.main_registry.add_ruling(Ruling(kind="hold", version=version, **signed(project, name, reason, by)))
    click.echo(f"on hold: {name} {version or '(whatever is new)'}; what is live stays live")


@gate.command()
@click.argument("name")
@VERSION
@REASON
@BY
@click.pass_obj
def lift(directory: Path, name: str, version: str | None, reason: str, by: str | None) -> None:
    """End a hold of NAME."""
    lift_hold(project_of(directory, name, version), name, version, reason, by)


@gate.command("list")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the decisions as JSON.")
@click.pass_obj
def list_(directory: Path, name: str, as_json: bool) -> None:
    """List what was decided about NAME, oldest first."""
    rulings = project_of(directory, name).registry.rulings(name)
    if as_json:
        shown = [ruling.model_dump(mode="json") for ruling in rulings]
        click.echo(
            json.dumps({"format_version": "1.0", "name": name, "decisions": shown}, indent=2, ensure_ascii=False)
        )
        return
    if not rulings:
        click.echo(f"nothing was decided about {name}")
    for line in columns([_cells(one) for one in rulings]):
        click.echo(line)


def _cells(one: Ruling) -> list[str]:
    what = one.version or "whatever is new"
    return [f"#{one.number}", f"{one.at:%Y-%m-%d %H:%M}", one.kind, what, f"{one.who}: {one.reason}"]
