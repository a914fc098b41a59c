"""(subjects, registry reader, git facts) -> Plan."""

from __future__ import annotations

from collections.abc import Sequence

from runner.digest import digest_json
from runner.errors import Problem, SpecError
from runner.models.memory import Memory
from runner.plan.delivery import Delivery
from runner.plan.estimates import History, estimate_step
from runner.plan.model import Estimate, Plan, PlannedStep, SpecPlan, make_plan
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
    memory: Memory | None = None,
) -> Plan:
    """Walk every spec with the outcome of each step that must run unknown.

    Args:
        subjects: the specs, with the digests their keys are made of.
        reader: what the registry holds.
        delivery: git's side of a deployment.
        retry: run steps again that failed terminally.
        through: last step to plan.
        memory: what training may use here; None leaves memory out of the estimates.

    Raises:
        SpecError: when a spec differs from the released version of its number; all such specs at once.
    """
    plans: list[SpecPlan] = []
    problems: list[Problem] = []
    promised: dict[str, str] = {}
    history = History(reader)
    for subject in subjects:
        walk = Walk(subject, reader, delivery, retry, through, history.records)
        try:
            plans.append(_plan_spec(walk, promised, history, memory))
        except SpecError as error:
            problems.extend(error.problems)
    if problems:
        raise SpecError(problems)
    return make_plan(plans, delivery.checkout.commit, [digest_json(_content(subject)) for subject in subjects])


def look(walk: Walk) -> Walk:
    """Decide every step without running any; its records are what the registry already holds for this spec."""
    for step in STEPS:
        walk.settle(walk.decide(step))
    return walk


def _plan_spec(walk: Walk, promised: dict[str, str], history: History, memory: Memory | None) -> SpecPlan:
    decisions = look(walk).decisions
    spec, champion = walk.subject.spec, walk.champion
    return SpecPlan(
        name=spec.name,
        version=spec.version,
        file=walk.subject.loaded.file,
        champion=champion.version if champion else None,
        steps=[_planned(_once(decisions[step], spec.name, promised), walk, history, memory) for step in STEPS],
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


def _planned(decision: Decision, walk: Walk, history: History, memory: Memory | None) -> PlannedStep:
    # What another spec runs for this one is counted there.
    mine = decision is walk.decisions[decision.step]
    may_run = mine and decision.action in ("RUN", "DEPENDS")
    return PlannedStep(
        step=decision.step,
        action=decision.action,
        key=decision.key,
        reason=decision.reason,
        changes=list(decision.changes),
        estimate=estimate_step(decision.step, walk, history, memory) if may_run else Estimate(),
    )
