"""(subjects, registry reader, git facts) -> Plan."""

from __future__ import annotations

from collections.abc import Sequence

from runner.errors import Problem, SpecError
from runner.plan.delivery import Delivery
from runner.plan.model import Plan, PlannedStep, SpecPlan, make_plan
from runner.plan.subject import Subject
from runner.plan.walk import Decision, Walk
from runner.registry.facts import STEPS, RegistryReader, Step


def build_plan(
    subjects: Sequence[Subject],
    reader: RegistryReader,
    delivery: Delivery,
    *,
    retry: bool = False,
    through: Step = "deploy",
) -> Plan:
    """Walk every spec with the outcome of each step that must run unknown.

    Args:
        subjects: the specs, with the digests their keys are made of.
        reader: what the registry holds.
        delivery: git's side of a deployment.
        retry: run steps again that failed terminally.
        through: last step to plan.

    Raises:
        SpecError: when a spec differs from the released version of its number; all such specs at once.
    """
    plans: list[SpecPlan] = []
    problems: list[Problem] = []
    for subject in subjects:
        try:
            plans.append(_plan_spec(Walk(subject, reader, delivery, retry, through)))
        except SpecError as error:
            problems.extend(error.problems)
    if problems:
        raise SpecError(problems)
    return make_plan(plans, delivery.checkout.commit)


def look(walk: Walk) -> Walk:
    """Decide every step without running any; its records are what the registry already holds for this spec."""
    for step in STEPS:
        walk.settle(walk.decide(step))
    return walk


def _plan_spec(walk: Walk) -> SpecPlan:
    decisions = look(walk).decisions
    spec, champion = walk.subject.spec, walk.champion
    return SpecPlan(
        name=spec.name,
        version=spec.version,
        file=walk.subject.loaded.file,
        champion=champion.version if champion else None,
        steps=[_planned(decisions[step]) for step in STEPS],
    )


def _planned(decision: Decision) -> PlannedStep:
    return PlannedStep(
        step=decision.step,
        action=decision.action,
        key=decision.key,
        reason=decision.reason,
        changes=list(decision.changes),
        estimate=decision.estimate,
    )
