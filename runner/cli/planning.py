"""What `plan`, `apply` and `show` share: a request -> the plan it means here and now."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from runner.cli.namespaces import allowed_last_step, seen_by_plan
from runner.cli.project import Project
from runner.errors import UsageError
from runner.models.memory import training_memory
from runner.plan.build import build_plan
from runner.plan.delivery import Delivery
from runner.plan.model import Plan
from runner.plan.request import Request
from runner.plan.subject import Subject
from runner.registry.facts import STEPS, Step

THROUGH = click.Choice(["evaluate", *STEPS])


@dataclass(frozen=True)
class Planned:
    """A plan with what it was made from."""

    request: Request
    plan: Plan
    subjects: list[Subject]
    delivery: Delivery

    def save(self, project: Project, file: Path) -> None:
        """Write the plan to a file, bound to what it was made from."""
        from runner.plan.saved import seal_plan, write_plan

        write_plan(seal_plan(self.plan, self.request, self.subjects, project.config), file)


def last_step(through: str | None) -> Step:
    """Return the step that `--through` names; `evaluate` is all up to the gate."""
    return "gate" if through == "evaluate" else through or "deploy"  # type: ignore[return-value]  # click checked it


def make(project: Project, request: Request) -> Planned:
    """Plan what is asked for."""
    through = allowed_last_step(project, request.through)
    request = replace(request, through=through, namespace=project.namespace)
    delivery = project.delivery(force_older=request.force_older)
    if request.base is None:
        subjects = project.subjects(request.specs)
        return Planned(request, _build(project, request, subjects, delivery), subjects, delivery)
    from runner.plan.compare import compare, narrowed
    from runner.plan.revision import Found, find_base, find_touched

    touched = find_touched(project.root, find_base(project.root, request.base), None)
    refuse_unknown(project, request.specs, touched.after)
    names = [name for name in touched.kept if not request.specs or name in request.specs]
    # No name at all would mean every spec.
    subjects = project.subjects(names) if names else []
    now = Found(project.config, {subject.spec.name: subject for subject in subjects}, {})
    difference = compare(touched, now, request.specs)
    # As without a base: nothing is undeployed where specs are named, or none is left.
    removable = touched.names if touched.after and not request.specs else None
    plan = narrowed(_build(project, request, subjects, delivery, removable), touched, difference)
    return Planned(request, plan, subjects, delivery)


def _build(
    project: Project,
    request: Request,
    subjects: list[Subject],
    delivery: Delivery,
    removable: Collection[str] | None = None,
) -> Plan:
    return build_plan(
        subjects,
        seen_by_plan(project, request.adopt),
        delivery,
        retry=request.retry,
        through=request.through,
        memory=training_memory(),
        config=project.config,
        complete=not request.specs and request.base is None,
        removable=removable,
    )


def refuse_unknown(project: Project, names: Sequence[str], known: frozenset[str]) -> None:
    """Refuse names of specs that do not exist."""
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"there is no spec named `{unknown[0]}` in {project.root / 'specs'}")
