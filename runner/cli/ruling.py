"""What verbs share that write a person's decision to the registry: who, why, and about which name."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from runner import git
from runner.cli.project import Project, open_project
from runner.errors import UsageError
from runner.plan.rulings import standing_holds
from runner.registry.facts import Ruling
from runner.spec.load import load_specs
from runner.spec.semver import parse

REASON = click.option("--reason", required=True, help="Why; it is kept with the decision.")
BY = click.option("--by", help="Who decides; default: GITHUB_ACTOR in a workflow, else git's user.")


def project_of(directory: Path, name: str, version: str | None = None) -> Project:
    """Open the repository for a decision about a name, which may be that of a spec that is gone.

    Raises:
        UsageError: when nobody knows the name, or the version is none.
    """
    project = open_project(directory)
    if name not in {known for known, _ in project.registry.logs()}:
        load_specs(project.root, [name])  # what was deployed once may be ruled on after its spec is gone
    if version is not None:
        parse(version)
    return project


def who_decides(project: Project, by: str | None) -> str:
    """Return who decides: the one who is named, else GITHUB_ACTOR, else git's user.

    Raises:
        UsageError: when nobody is.
    """
    who = by or os.environ.get("GITHUB_ACTOR") or git.identity(project.root)
    if not who:
        raise UsageError("nobody is named who decides", hint="--by NAME, or set git's user.name")
    return who


def in_words(reason: str) -> str:
    """Return a reason on one line.

    Raises:
        UsageError: when it says nothing, or holds control characters.
    """
    reason = " ".join(reason.split())
    if not (reason and reason.isprintable()):
        raise UsageError("a decision needs its reason, in words", hint="--reason 'why'")
    return reason


def signed(project: Project, name: str, reason: str, by: str | None) -> dict[str, object]:
    """Return what every decision says, under the next number."""
    reason, who = in_words(reason), who_decides(project, by)
    number = len(project.registry.rulings(name)) + 1
    return {"number": number, "name": name, "who": who, "reason": reason, "at": datetime.now(UTC)}


def lift_hold(project: Project, name: str, version: str | None, reason: str, by: str | None) -> None:
    """End the hold of a version, or with None that of whatever is new.

    Raises:
        UsageError: when there is none.
    """
    holds = [one.version for one in standing_holds(project.registry.rulings(name))]
    if version not in holds:
        known = ", ".join(held or "whatever is new" for held in holds) or "nothing"
        raise UsageError(f"{name} {version or '(whatever is new)'} is not on hold", hint=f"on hold: {known}")
    project.main_registry.add_ruling(Ruling(kind="lift", version=version, **signed(project, name, reason, by)))
    click.echo(f"lifted: {name} {version or '(whatever is new)'}")
