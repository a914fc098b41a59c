"""What `plan`, `apply` and `show` share: a request -> the plan it means here and now."""

from __future__ import annotations

from collections.abc import Sequence
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
    request = replace(request, through=allowed_last_step(project, request.through))
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
    plan = narrowed(_build(project, request, subjects, delivery), touched, difference)
    return Planned(request, plan, subjects, delivery)


def saved_file(specs: Sequence[str], project: Project) -> Path | None:
    """Return the saved plan that the arguments of `apply` mean; None when they name specs.

    A spec's name has no dot and no slash; where a spec and a file have the same name, the spec is meant.

    Raises:
        UsageError: when a saved plan is named beside anything else.
    """
    files = [Path(name) for name in specs if _is_saved(name, project)]
    if files and len(specs) > 1:
        raise UsageError(f"the saved plan {files[0]} names its specs itself", hint=f"`gitune apply {files[0]}` alone")
    return files[0] if files else None


def _is_saved(name: str, project: Project) -> bool:
    if Path(name).suffix in (".yaml", ".yml") or Path(name).is_dir():
        return False
    is_spec = (project.root / "specs" / name).is_dir()
    return "." in name or "/" in name or (Path(name).is_file() and not is_spec)


def make_or_load(project: Project, request: Request, *, told: bool) -> tuple[Planned, bool]:
    """Return the plan that `apply` was asked for, and whether it is a saved one, which was reviewed already.

    Args:
        project: the repository.
        request: the arguments of `apply`.
        told: whether options were given that only a plan that is made now can follow.

    Raises:
        GituneError: when the file is no plan, or a stale one.
        UsageError: when options contradict it.
    """
    if (file := saved_file(request.specs, project)) is None:
        return make(project, request), False
    if told:
        raise UsageError(f"{file} says already what to do", hint="give these options to `plan -o`")
    from runner.plan.saved import read_plan, refuse_stale, seal_plan

    saved = read_plan(file)
    planned = make(project, saved.request)
    refuse_stale(saved, seal_plan(planned.plan, saved.request, planned.subjects, project.config), file)
    return planned, True


def _build(project: Project, request: Request, subjects: list[Subject], delivery: Delivery) -> Plan:
    return build_plan(
        subjects,
        seen_by_plan(project, request.adopt),
        delivery,
        retry=request.retry,
        through=request.through,
        memory=training_memory(),
        config=project.config,
        complete=not request.specs and request.base is None,
    )


def refuse_unknown(project: Project, names: Sequence[str], known: frozenset[str]) -> None:
    """Refuse names of specs that do not exist."""
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"there is no spec named `{unknown[0]}` in {project.root / 'specs'}")
