"""The plan as data: what each step of each spec will do, and why. `gitune plan --json` prints exactly this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, get_args

from runner.digest import digest_json
from runner.plan.cost import Budget, Estimate, MemoryNeed, Total, total_of
from runner.plan.part import PlanPart
from runner.plan.reasons import Action, Cause, Change, Nearest, ReasonCode
from runner.registry.facts import Step

__all__ = ["Action", "Change", "Estimate", "MemoryNeed", "Plan", "PlannedStep", "SpecPlan", "make_plan"]


class PlannedStep(PlanPart):
    """One step of one spec."""

    step: Step
    """Which step."""
    action: Action
    """What will happen."""
    key: str | None
    """Step key; null when an earlier step of this plan decides it."""
    reason: str
    """Why, in words."""
    reason_code: ReasonCode = "nothing_to_do"
    """Why, for programs."""
    changes: list[Change] = []  # noqa: RUF012 - pydantic copies it
    """What differs from the nearest earlier record."""
    cause: list[Cause] = []  # noqa: RUF012 - pydantic copies it
    """The way from this step to what makes it run, root causes last; empty when nothing does."""
    nearest: Nearest | None = None
    """The record that `changes` compares with."""
    estimate: Estimate = Estimate()
    """Expected cost."""


class SpecPlan(PlanPart):
    """All eight steps of one spec."""

    name: str
    """Name of the spec."""
    version: str
    """Version the spec asks for."""
    file: str
    """The spec's file, relative to the repository."""
    champion: str | None
    """Version the gates compare with; null when there is none."""
    steps: list[PlannedStep]
    """The eight steps in order."""

    def step(self, name: Step) -> PlannedStep:
        """Return one step by name."""
        return next(step for step in self.steps if step.step == name)


class Plan(PlanPart):
    """What an apply will do."""

    format_version: Literal["1.0"] = "1.0"
    """Version of this JSON."""
    specs: list[SpecPlan]
    """Every spec asked for, in order of name."""
    summary: dict[str, int]
    """Number of steps per action."""
    digest: str
    """sha256 of specs and base: two equal digests are the same plan, whatever it is expected to take."""
    base: str | None
    """Git commit the plan was made at."""
    estimate: Total = Total()
    """Expected cost of all steps."""
    budget: Budget | None = None
    """What `policy.budget` allows, and whether this plan keeps to it; null without one."""

    @property
    def idle(self) -> bool:
        """Whether nothing at all would happen."""
        return not any(self.summary[action] for action in ("run", "depends", "undeploy"))


def make_plan(specs: list[SpecPlan], base: str | None, contents: Sequence[object] = ()) -> Plan:
    """Count and digest finished spec plans; `contents` is what their specs ask for."""
    counts = Counter(step.action.lower() for spec in specs for step in spec.steps)
    # Estimates depend on the machine and on what else was run meanwhile; causes and records only explain.
    aside = {"steps": {"__all__": {"estimate", "cause", "nearest"}}}
    body = [spec.model_dump(mode="json", exclude=aside) for spec in specs]
    return Plan(
        specs=specs,
        summary={action.lower(): counts[action.lower()] for action in get_args(Action)},
        digest=digest_json({"specs": body, "contents": list(contents), "base": base}),
        base=base,
        estimate=total_of(specs),
    )
