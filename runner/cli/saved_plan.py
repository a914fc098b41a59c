"""What the arguments of `apply` mean: specs to plan now, or the file of a plan that was reviewed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.cli.planning import Planned, make
from runner.cli.project import Project
from runner.errors import UsageError
from runner.plan.request import Request


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
    _refuse_other_namespace(saved.request.namespace, project, file)
    planned = make(project, saved.request)
    refuse_stale(saved, seal_plan(planned.plan, saved.request, planned.subjects, project.config), file)
    return planned, True


def _refuse_other_namespace(made_for: str | None, project: Project, file: Path) -> None:
    if made_for == project.namespace:
        return
    meant, here = (f"the namespace {name}" if name else "main's registry" for name in (made_for, project.namespace))
    remedy = f"pass --namespace {made_for}" if made_for else "drop --namespace, and GITUNE_NAMESPACE"
    raise UsageError(f"{file} was made for {meant}, and this is {here}", hint=remedy)
