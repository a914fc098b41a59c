"""(subjects, registry reader, git facts) -> Plan."""

from __future__ import annotations

from collections.abc import Sequence

from runner.digest import digest_json
from runner.models.memory import Memory
from runner.plan.delivery import Delivery
from runner.plan.estimates import History, estimate_step
from runner.plan.model import Estimate, Plan, PlannedStep, SpecPlan, make_plan
from runner.plan.removal import find_strays, plan_removals
from runner.plan.since_release import since_release
from runner.plan.subject import Subject
from runner.plan.waiting import or_wait
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
    complete: bool = False,
) -> Plan:
    """Walk every spec with the outcome of each step that must run unknown.

    Args:
        subjects: the specs, with the digests their keys are made of.
        reader: what the registry holds.
        delivery: git's side of a deployment.
        retry: run steps again that failed terminally.
        through: last step to plan.
        memory: what training may use here; None leaves memory out of the estimates.
        complete: whether these are all specs of the repository: else nothing that is live is undeployed.
    """
    plans: list[SpecPlan] = []
    promised: dict[str, str] = {}
    history = History(reader)
    for subject in subjects:
        walk = Walk(subject, reader, delivery, retry, through, history.records)
        plans.append(_plan_spec(walk, promised, history, memory))
    if complete and through == "deploy":
        strays = find_strays([subject.spec for subject in subjects], reader)
        plans += plan_removals(strays, plans, reader, delivery)
    return make_plan(plans, delivery.checkout.commit, [digest_json(_content(subject)) for subject in subjects])


def look(walk: Walk) -> Walk:
    """Decide every step without running any; its records are what the registry already holds for this spec."""
    for step in STEPS:
        walk.settle(walk.decide(step))
    return walk


def _plan_spec(walk: Walk, promised: dict[str, str], history: History, memory: Memory | None) -> SpecPlan:
    decisions = look(walk).decisions
    spec, champion, live = walk.subject.spec, walk.champion, walk.live
    since = since_release(walk, live)
    return SpecPlan(
        name=spec.name,
        version=spec.version,
        file=walk.subject.loaded.file,
        champion=champion.version if champion else None,
        live=live.version if live else None,
        change_class=since.change_class,
        flags=since.flags,
        steps=[
            _planned(or_wait(_once(decisions[step], spec.name, promised), walk.reader), walk, history, memory)
            for step in STEPS
        ],
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
        fault=decision.fault,
        changes=list(decision.changes),
        estimate=estimate_step(decision.step, walk, history, memory) if may_run else Estimate(),
    )
