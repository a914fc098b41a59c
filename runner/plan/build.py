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
    promised: dict[str, str] = {}
    for subject in subjects:
        try:
            plans.append(_plan_spec(Walk(subject, reader, delivery, retry, through), promised))
        except SpecError as error:
            problems.extend(error.problems)
    if problems:
        raise SpecError(problems)
    return make_plan(plans, delivery.checkout.commit, [_content(subject) for subject in subjects])


def look(walk: Walk) -> Walk:
    """Decide every step without running any; its records are what the registry already holds for this spec."""
    for step in STEPS:
        walk.settle(walk.decide(step))
    return walk


def _plan_spec(walk: Walk, promised: dict[str, str]) -> SpecPlan:
    decisions = look(walk).decisions
    spec, champion = walk.subject.spec, walk.champion
    return SpecPlan(
        name=spec.name,
        version=spec.version,
        file=walk.subject.loaded.file,
        champion=champion.version if champion else None,
        steps=[_planned(_once(decisions[step], spec.name, promised)) for step in STEPS],
    )


def _once(decision: Decision, spec: str, promised: dict[str, str]) -> Decision:
    """Plan a step once, though several specs share its key: the first runs it, the others depend on that.

    Args:
        decision: the decision of one walk, which knows nothing of the others.
        spec: name of its spec.
        promised: key -> who runs it in this plan; grows.
    """
    if decision.action != "RUN" or decision.key is None:
        return decision
    me = f"{decision.step} of {spec}"
    if (first := promised.setdefault(decision.key, me)) == me:
        return decision
    return Decision(decision.step, "DEPENDS", f"on {first}, which has the same inputs")


def _content(subject: Subject) -> object:
    """Return all that a spec asks for, for the plan's digest: most keys of a first plan are not known yet."""
    spec = subject.spec.model_dump(mode="json")
    return [
        spec,
        subject.base.digest,
        subject.base.chat_template,
        {role: dict(files) for role, files in subject.files.items()},
        subject.contract,
    ]


def _planned(decision: Decision) -> PlannedStep:
    return PlannedStep(
        step=decision.step,
        action=decision.action,
        key=decision.key,
        reason=decision.reason,
        changes=list(decision.changes),
        estimate=decision.estimate,
    )
