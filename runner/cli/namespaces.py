"""`--namespace pr/12` and `--adopt pr/12` of plan and apply: work apart from main, and main takes it over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from runner.cli.project import Project
from runner.errors import UsageError
from runner.plan.build import look
from runner.plan.walk import Walk
from runner.registry.facts import Step
from runner.registry.namespaces import check_namespace
from runner.registry.registry import Registry

if TYPE_CHECKING:
    from runner.cli.planning import Planned
    from runner.plan.delivery import Delivery
    from runner.plan.subject import Subject

NAMESPACE = click.option(
    "--namespace",
    metavar="pr/N",
    help="Read main's registry, write only below pr/N, deploy nothing; default: GITUNE_NAMESPACE.",
)
ADOPT = click.option(
    "--adopt", metavar="pr/N", multiple=True, help="Take over the trainings and answers of pr/N, verified; repeatable."
)


def allowed_last_step(project: Project, through: Step) -> Step:
    """Return the last step to take: a namespace releases nothing."""
    return "gate" if project.namespace and through == "deploy" else through


def seen_by_plan(project: Project, adopt: Sequence[str]) -> Registry:
    """Return the registry that a plan reads: with --adopt, as it will be once that is done."""
    if not adopt:
        return project.registry
    _require_main(project)
    if project.snapshot is not None:
        raise UsageError("a snapshot holds nothing of pull requests to adopt", hint="drop --adopt")
    for namespace in adopt:
        check_namespace(namespace)
        if next(iter(project.store.list(namespace)), None) is None:
            click.echo(f"{namespace} holds nothing to adopt: what the registry lacks will run", err=True)
    return project.adopting(adopt)


def take_over(project: Project, planned: Planned) -> None:
    """Copy what the plan adopts into main's registry, and say on stderr what was copied.

    Raises:
        RegistryError: when any of it does not verify.
    """
    for namespace in planned.request.adopt:
        adopt_from(project, namespace, planned.subjects, planned.delivery)


def adopt_from(project: Project, namespace: str, subjects: Sequence[Subject], delivery: Delivery) -> None:
    """Copy what specs need of a namespace into main's registry, and say on stderr what was copied.

    Raises:
        RegistryError: when any of it does not verify.
    """
    from runner.steps.adopt import adopt

    source = project.seen_in(namespace)
    for subject in subjects:
        walk = look(Walk(subject, source, delivery))
        for record in adopt(walk, namespace, source, project.registry):
            what = f"{record.step} of {subject.spec.name}, key {record.key[:8]}"
            click.echo(f"adopted from {namespace}: {what}, every byte verified", err=True)


def _require_main(project: Project) -> None:
    if project.namespace is not None:
        raise UsageError(
            f"--adopt writes to main's registry, and this is the namespace {project.namespace}",
            hint="drop --namespace, and GITUNE_NAMESPACE from the environment",
        )
