"""A plan of a pull request's difference -> text: what was left out, then the plan of the rest."""

from __future__ import annotations

from collections.abc import Iterator

from runner.plan.model import Plan
from runner.report.text import printable, render_plan


def render_scoped(plan: Plan, color: bool, width: int | None = None) -> str:  # noqa: FBT001 - as render_plan
    """Render a plan for a terminal; one with a base begins with what it leaves out."""
    if plan.base is None:
        return render_plan(plan, color, width)
    scope = "\n".join(printable(line) for line in scope_lines(plan))
    return f"{scope}\n\n{render_plan(plan, color, width)}" if plan.specs else scope


def scope_lines(plan: Plan) -> Iterator[str]:
    """Say what a plan with a base is about, and what it leaves out; nothing for a plan of everything."""
    if plan.base is None:
        return
    touched = sum(spec.removed is None for spec in plan.specs)
    yield f"Since {plan.base[:8]}: {touched} touched, {plan.unchanged} as they were."
    if plan.removed:
        yield f"Removed: {', '.join(plan.removed)}"
