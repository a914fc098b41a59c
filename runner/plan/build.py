"""(subjects, registry reader, git facts) -> Plan."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from runner.digest import digest_json
from runner.models.memory import Memory
from runner.plan.accuracy import accuracy_of
from runner.plan.causes import Tracer, reason_of
from runner.plan.cost import Estimate, judge_budget
from runner.plan.decision import Decision
from runner.plan.delivery import Delivery
from runner.plan.estimates import estimate_step
from runner.plan.history import History
from runner.plan.model import Plan, PlannedStep, SpecPlan, make_plan
from runner.plan.promises import Promises, Shared, in_words
from runner.plan.reasons import USUAL
from runner.plan.removal import find_strays, plan_removals
from runner.plan.settings import own_changes
from runner.plan.since_release import since_release
from runner.plan.subject import Subject
from runner.plan.waiting import or_wait
from runner.plan.walk import Walk
from runner.registry.facts import STEPS, Step
from runner.registry.views import RegistryReader
from runner.spec.config import Config, Price


def build_plan(
    subjects: Sequence[Subject],
    reader: RegistryReader,
    delivery: Delivery,
    *,
    retry: bool = False,
    through: Step = "deploy",
    memory: Memory | None = None,
    config: Config | None = None,
    complete: bool = False,
    removable: Collection[str] | None = None,
) -> Plan:
    """Walk every spec with the outcome of each step that must run unknown.

    Args:
        subjects: the specs, with the digests their keys are made of.
        reader: what the registry holds.
        delivery: git's side of a deployment.
        retry: run steps again that failed terminally.
        through: last step to plan.
        memory: what training may use here; None leaves memory out of the estimates.
        config: prices and the budget; None knows neither.
        complete: whether these are all specs of the repository: else nothing that is live is undeployed but
        removable: names of which these are all specs; the repository has others too.
    """
    settings = config or Config()
    plans: list[SpecPlan] = []
    history = History(reader)
    promised = Promises(history)
    for subject in subjects:
        walk = Walk(subject, reader, delivery, retry, through, history)
        plans.append(_plan_spec(walk, promised, memory, settings.price_of(subject.spec.compute.profile)))
    if (complete or removable) and through == "deploy":
        strays = find_strays([subject.spec for subject in subjects], reader, removable)
        plans += plan_removals(strays, plans, reader, delivery)
    plan = make_plan(plans, delivery.checkout.commit, [digest_json(_content(subject)) for subject in subjects])
    return _with_costs(plan, history, settings)


def look(walk: Walk) -> Walk:
    """Decide every step without running any; its records are what the registry already holds for this spec."""
    for step in STEPS:
        walk.settle(walk.decide(step))
    return walk


def _with_costs(plan: Plan, history: History, config: Config) -> Plan:
    total = plan.estimate.model_copy(update={"accuracy": accuracy_of(history.seen())})
    budget = judge_budget(total, config.policy.budget) if config.policy.budget else None
    return plan.model_copy(update={"estimate": total, "budget": budget})


def _plan_spec(walk: Walk, promised: Promises, memory: Memory | None, price: Price | None) -> SpecPlan:
    look(walk)
    spec, champion, live = walk.subject.spec, walk.champion, walk.live
    shared = {step: first for step in STEPS if (first := promised.first(walk.decisions[step], spec.name))}
    decisions = {step: _told(walk, step, shared) for step in STEPS}
    tracer = Tracer(walk, decisions, shared)
    since = since_release(walk, live)
    return SpecPlan(
        name=spec.name,
        version=spec.version,
        file=walk.subject.loaded.file,
        champion=champion.version if champion else None,
        live=live.version if live else None,
        rivals=walk.rival_names,
        change_class=since.change_class,
        flags=since.flags,
        steps=[_planned(decisions[step], tracer, memory, price) for step in STEPS],
    )


def _told(walk: Walk, step: Step, shared: Mapping[Step, Shared]) -> Decision:
    """Return a walk's decision with what it cannot know: who else runs the step, or what changes for it anyway."""
    if (first := shared.get(step)) is not None:
        return Decision(step, "DEPENDS", in_words(first, walk.decisions[step], walk.subject.spec.name), code="shared")
    decision = or_wait(walk.decisions[step], walk.reader)
    if decision.action != "DEPENDS":
        return decision
    return replace(decision, changes=tuple(own_changes(step, walk)))


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


def _planned(decision: Decision, tracer: Tracer, memory: Memory | None, price: Price | None) -> PlannedStep:
    causes = tracer.causes(decision.step)
    # What another spec runs for this one is counted there.
    may_run = decision.action in ("RUN", "DEPENDS") and decision.code != "shared"
    return PlannedStep(
        step=decision.step,
        action=decision.action,
        key=decision.key,
        reason=reason_of(decision, causes, tracer.walk.subject),
        reason_code=decision.code or USUAL[decision.action],
        fault=decision.fault,
        changes=list(decision.changes),
        cause=causes,
        nearest=decision.nearest,
        estimate=estimate_step(decision.step, tracer.walk, memory, price) if may_run else Estimate(),
        notes=tracer.walk.notes(decision.step) if may_run else [],
    )
