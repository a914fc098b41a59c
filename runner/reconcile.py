"""The loop: walk each spec of a plan, find or run each step, and move the alias last.

`apply_plan(plan, subjects, ...)` does what the plan said and nothing else: a step that the plan did not list as RUN,
DEPENDS or WAIT is refused, not run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from runner.errors import ConflictError, DataError, GituneError
from runner.executors.crew import StoppedError, work_through
from runner.executors.executor import Executor, Tell
from runner.plan.accuracy import Took, took
from runner.plan.cost import refuse_training
from runner.plan.decision import Decision
from runner.plan.delivery import Delivery
from runner.plan.history import History
from runner.plan.model import Plan, SpecPlan
from runner.plan.removal import Stray, decide
from runner.plan.subject import Subject
from runner.plan.walk import Walk
from runner.registry.facts import STEPS, Deployment, Record, Ruling, Step
from runner.registry.views import RegistryWriter
from runner.steps.deploy import take_away

_RACES = 20
"""Times that a deployment may lose against others; each time somebody else's went through."""


@dataclass(slots=True)
class Outcome:
    """What became of one spec."""

    name: str
    version: str
    ran: list[Step] = field(default_factory=list)
    """Steps that ran; the others were reused or had nothing to do."""
    took: list[Took] = field(default_factory=list)
    """What steps that ran were predicted to take, and took."""
    gate: Record | None = None
    """The gate's record, when the walk came that far."""
    approval: Ruling | None = None
    """Who approved an INCONCLUSIVE of these very scores."""
    deployment: Deployment | None = None
    """The log entry this apply wrote."""
    blocked: str | None = None
    """Why it is not deployed, when something must be mended."""
    idle: str | None = None
    """Why there is nothing to deploy here."""
    error: GituneError | None = None
    """What stopped it."""
    logs: dict[Step, Path] = field(default_factory=dict)
    """Files with what its steps printed."""

    @property
    def exit_code(self) -> int:
        """0 done, 1 error or blocked, 3 a gate failed, 4 a gate is inconclusive, 5 a data check failed."""
        if self.error is not None:
            return 5 if isinstance(self.error, DataError) else 1
        let_through = self.deployment or self.approval
        if self.gate is not None and not self.gate.metrics["release"] and let_through is None:
            return 3 if self.gate.metrics["outcome"] == "FAIL" else 4
        return 1 if self.blocked else 0


class Watcher(Protocol):
    """Who is told about every decision as it is taken, and every record as it is written.

    Each spec is worked on in one thread; several threads may tell at the same time.
    """

    def decided(self, spec: str, decision: Decision) -> None:
        """A step is about to run, is reused, or waits; the last is told again from time to time."""

    def finished(self, spec: str, decision: Decision, record: Record | None) -> None:
        """A step ran; `record` is what it yielded, None for a deployment."""


@dataclass(frozen=True, slots=True)
class Reconciler:
    """What every spec's walk needs."""

    registry: RegistryWriter
    executor: Executor
    delivery: Delivery
    watcher: Watcher
    retry: bool = False
    through: Step = "deploy"
    no_train: bool = False
    """Whether nothing may be trained, though the plan could not rule it out."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def apply_plan(plan: Plan, subjects: Sequence[Subject], reconciler: Reconciler, parallel: int = 1) -> list[Outcome]:
    """Apply a plan to its specs; one that fails does not stop the others.

    Args:
        plan: what may be done.
        subjects: its specs.
        reconciler: what every spec's walk needs.
        parallel: how many specs are worked on at the same time.
    """
    by_name = {subject.spec.name: subject for subject in subjects}
    # Why a step runs is told by what was there before; read for every step anew, it would cost specs times records.
    history = History(reconciler.registry)
    todo = [(spec, Outcome(spec.name, spec.version)) for spec in plan.specs]

    def reconcile(item: tuple[SpecPlan, Outcome]) -> None:
        spec, outcome = item
        try:
            if spec.removed is not None:
                _raced(_undeploy, spec, by_name.get(spec.name), reconciler, outcome)
            else:
                _reconcile(spec, by_name[spec.name], reconciler, outcome, history)
        except GituneError as error:
            outcome.error = error

    # What is taken away comes after what takes its place.
    for removed in (False, True):
        part = [item for item in todo if (item[0].removed is not None) is removed]
        work_through(part, reconcile, parallel, reconciler.executor.stop)
    return [outcome for _, outcome in todo]


def _reconcile(planned: SpecPlan, subject: Subject, loop: Reconciler, outcome: Outcome, history: History) -> None:
    walk = Walk(subject, loop.registry, loop.delivery, loop.retry, loop.through, history)
    for step in STEPS[:-1]:
        # Decide again from what earlier steps really yielded; the plan already told all that can happen here.
        decision, record = _find_or_run(planned, walk, step, loop, outcome)

        # What needs a blocked step is blocked too; the rest is still worth having once it is mended.
        if decision.action == "BLOCKED":
            outcome.blocked = outcome.blocked or f"{step}: {decision.reason}"
        walk.settle(decision, record)
    outcome.gate, outcome.approval = walk.records.get("gate"), walk.approval

    # The alias moves last.
    _raced(_deploy, planned, walk, loop, outcome)


def _raced(move: Callable[..., None], *arguments: object) -> None:
    """Move an alias; who loses a race decides again: the winner may be newer than this commit."""
    for _ in range(_RACES):
        try:
            move(*arguments)
        except ConflictError as error:
            lost = error
        else:
            return
    raise lost


def _find_or_run(
    planned: SpecPlan, walk: Walk, step: Step, loop: Reconciler, outcome: Outcome
) -> tuple[Decision, Record | None]:
    """Find a step's record, or run it; while another run is at it, wait for what that yields."""
    while True:
        decision = walk.decide(step)
        _within_plan(planned, decision)
        if decision.action != "RUN":
            loop.watcher.decided(outcome.name, decision)
            return decision, decision.record
        if loop.no_train and step == "train":
            refuse_training([outcome.name], decision.reason)
        tell = _teller(loop, outcome, decision)
        with loop.executor.claim(decision, outcome.name, tell) as mine:
            if not mine:
                continue
            # Between the decision and the claim another run may have finished it.
            if (record := walk.yielded(decision)) is not None:
                decision = replace(decision, action="REUSE", reason="another run has just finished it", record=record)
                loop.watcher.decided(outcome.name, decision)
                return decision, record
            loop.watcher.decided(outcome.name, decision)
            return decision, _run(planned, walk, decision, loop, outcome)


def _teller(loop: Reconciler, outcome: Outcome, decision: Decision) -> Tell:
    return lambda reason: loop.watcher.decided(outcome.name, replace(decision, action="WAIT", reason=reason))


def _run(planned: SpecPlan, walk: Walk, decision: Decision, loop: Reconciler, outcome: Outcome) -> Record | None:
    """Run a step; None when it failed but only adds to what a released version already proved."""
    tell = _teller(loop, outcome, decision)
    try:
        record = loop.executor.run(walk, decision, planned.step(decision.step), tell)
    except StoppedError:
        raise
    except GituneError as error:
        # Answers or scores of a released version that are asked for again must not hold its way back to production.
        if walk.released is None or decision.step in ("prepare", "train"):
            raise
        outcome.error = outcome.error or error
        return None
    outcome.ran.append(decision.step)
    outcome.took.append(took(record))
    loop.watcher.finished(outcome.name, decision, record)
    return record


def _deploy(planned: SpecPlan, walk: Walk, loop: Reconciler, outcome: Outcome) -> None:
    while True:
        # Read before the decision: an entry that comes in after this one makes the deployment a conflict.
        live, decision = walk.live, walk.decide("deploy")
        _within_plan(planned, decision)
        if decision.action != "RUN":
            break
        tell = _teller(loop, outcome, decision)
        with loop.executor.claim(decision, outcome.name, tell) as mine:
            if mine and walk.live == live:
                loop.watcher.decided(outcome.name, decision)
                outcome.deployment = loop.executor.deploy(
                    walk, decision, planned.step("deploy"), tell, live, loop.now()
                )
                outcome.ran.append("deploy")
                loop.watcher.finished(outcome.name, decision, None)
                return
    loop.watcher.decided(outcome.name, decision)
    if decision.action == "BLOCKED":
        outcome.blocked = outcome.blocked or f"deploy: {decision.reason}"
    if decision.action == "NONE":
        outcome.idle = decision.reason


def _undeploy(planned: SpecPlan, heir: Subject | None, loop: Reconciler, outcome: Outcome) -> None:
    """Take away what no spec asks for, if that is still so. It comes last in a plan, after what takes its place."""
    live = loop.registry.live(planned.name, str(planned.removed))
    if live is None or live.version is None:
        outcome.idle = f"{planned.removed} was undeployed already"
        return
    if live.version != planned.version:
        raise GituneError(
            f"{planned.name}: the plan said to undeploy {planned.version}, but now {live.version} is {live.alias}",
            hint="the registry changed since the plan was made; plan and apply again",
        )
    decision = decide(Stray(live, heir.spec if heir else None), loop.registry, loop.delivery)
    _within_plan(planned, decision)
    loop.watcher.decided(outcome.name, decision)
    if decision.action == "BLOCKED":
        outcome.blocked = f"undeploy: {decision.reason}"
    if decision.action == "NONE":
        outcome.idle = decision.reason
    if decision.action != "UNDEPLOY":
        return
    outcome.deployment = take_away(loop.registry, live, str(loop.delivery.checkout.commit), loop.now())
    outcome.ran.append("deploy")
    loop.watcher.finished(outcome.name, decision, None)


def _within_plan(planned: SpecPlan, decision: Decision) -> None:
    """Refuse to run what the plan did not list: the registry changed since, or the plan was wrong."""
    expected = planned.step(decision.step)
    if decision.action not in ("RUN", "UNDEPLOY"):
        return
    again = "the registry changed since the plan was made; plan and apply again"
    allowed = ("RUN", "DEPENDS", "WAIT") if decision.action == "RUN" else ("UNDEPLOY", "DEPENDS")
    if expected.action not in allowed:
        raise GituneError(
            f"{planned.name}: the plan said {expected.action} for {decision.step}, but now it would run "
            f"({decision.reason})",
            hint=again,
        )
    # That of a deployment tells more once its version is released, which another apply may do meanwhile.
    if decision.step != "deploy" and expected.key not in (None, decision.key):
        raise GituneError(
            f"{planned.name}: {decision.step} would run on other inputs than the plan said ({decision.reason})",
            hint=again,
        )
