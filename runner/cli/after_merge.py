"""What a deployment starts from: the plan of its alias, the pull requests merged since, and what those trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import click

from runner import git_history
from runner.cli.namespaces import adopt_from
from runner.cli.planning import Planned, make
from runner.cli.project import Project
from runner.errors import RegistryError
from runner.plan.matrix import alias_of
from runner.plan.request import Request
from runner.plan.revision import paths_of
from runner.report.text import up_to_date

MOST_COMMITS = 50
"""Commits of a spec that are looked through for pull requests, the newest; what older ones trained main has."""


def plan_alias(project: Project, alias: str) -> Planned:
    """Plan the specs of one alias; what they share with others is decided again where it runs."""
    planned = make(project, Request())
    specs = [spec for spec in planned.plan.specs if alias_of(spec, planned.subjects) == alias]
    names = {spec.name for spec in specs}
    return replace(
        planned,
        plan=planned.plan.model_copy(update={"specs": specs}),
        subjects=[one for one in planned.subjects if one.spec.name in names],
    )


def commits_of(project: Project, planned: Planned) -> list[str]:
    """Return the commits since each alias moved that changed what decides a busy spec, the newest first."""
    found: dict[str, None] = {}
    subjects = {one.spec.name: one for one in planned.subjects}
    for spec in planned.plan.specs:
        if up_to_date(spec):
            continue
        entry = project.registry.live(spec.name, alias_of(spec, planned.subjects))
        since = entry.commit if entry else None
        paths = [f"specs/{spec.name}"] if spec.removed is not None else paths_of(subjects[spec.name])
        found |= dict.fromkeys(git_history.commits_of(project.root, since, paths, MOST_COMMITS))
    return [*found]


def adopt_of(project: Project, planned: Planned, numbers: Sequence[int]) -> bool:
    """Take over what pull requests trained for specs that lack something; return whether there was any to look at."""
    busy = {
        spec.name for spec in planned.plan.specs if any(step.action not in ("REUSE", "NONE") for step in spec.steps)
    }
    subjects = [one for one in planned.subjects if one.spec.name in busy]
    held = [f"pr/{number}" for number in numbers if next(iter(project.store.list(f"pr/{number}")), None) is not None]
    for namespace in held:
        try:
            adopt_from(project, namespace, subjects, planned.delivery)
        except RegistryError as error:
            # The spec that lacks it now fails below, by name; the others are none of its business.
            click.echo(f"Error: {error}", err=True)
    return bool(held)
