"""A plan of a pull request's difference -> text: what was left out, then the plan of the rest."""

from __future__ import annotations

from runner.plan.model import Plan
from runner.report.text import printable, render_plan


def render_scoped(plan: Plan, color: bool, width: int | None = None) -> str:  # noqa: FBT001 - as render_plan
    """Render a plan for a terminal; one with a base begins with what it leaves out."""
    if plan.base is None:
        return render_plan(plan, color, width)
    touched = sum(spec.removed is None for spec in plan.specs)
    said = [f"Since {plan.base[:8]}: {touched} touched, {plan.unchanged} as they were."]
    if plan.removed:
        said.append(printable(f"Removed: {', '.join(plan.removed)}"))
    scope = "\n".join(said)
    return f"{scope}\n\n{render_plan(plan, color, width)}" if plan.specs else scope
