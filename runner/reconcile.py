"""The loop: walk each spec of a plan, find or run each step, and move the alias last.

`apply_plan(plan, subjects, ...)` does what the plan said and nothing else: a step that the plan did not list as RUN or
DEPENDS is refused, not run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from runner.errors import ConflictError, DataError, GituneError
from runner.executors.executor import Executor
from runner.plan.accuracy import Took, expecting, took
from runner.plan.delivery import Delivery
from runner.plan.model import Plan, SpecPlan
from runner.plan.subject import Subject
from runner.plan.walk import Decision, Walk
from runner.registry.facts import STEPS, Deployment, Record, RegistryWriter, Ruling, Step


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
    """Who is told about every decision as it is taken, and every record as it is written."""

    def decided(self, spec: str, decision: Decision) -> None:
        """A step is about to run, or is reused."""

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
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


def apply_plan(plan: Plan, subjects: Sequence[Subject], reconciler: Reconciler) -> list[Outcome]:
    """Apply a plan to its specs, one after another; one that fails does not stop the others."""
    by_name = {subject.spec.name: subject for subject in subjects}
    outcomes = []
    for spec_plan in plan.specs:
        outcome = Outcome(spec_plan.name, spec_plan.version)
        try:
            _reconcile(spec_plan, by_name[spec_plan.name], reconciler, outcome)
        except GituneError as error:
            outcome.error = error
        outcomes.append(outcome)
    return outcomes


def _reconcile(planned: SpecPlan, subject: Subject, loop: Reconciler, outcome: Outcome) -> None:
    walk = Walk(subject, loop.registry, loop.delivery, loop.retry, loop.through)
    for step in STEPS[:-1]:
        # Decide again from what earlier steps really yielded; the plan already told all that can happen here.
        decision = walk.decide(step)
        _within_plan(planned, decision)
        loop.watcher.decided(outcome.name, decision)

        # What needs a blocked step is blocked too; the rest is still worth having once it is mended.
        if decision.action == "BLOCKED":
            outcome.blocked = outcome.blocked or f"{step}: {decision.reason}"
        record = decision.record
        if decision.action == "RUN":
            record = _run(walk, expecting(planned, decision), loop, outcome)
        walk.settle(decision, record)
    outcome.gate, outcome.approval = walk.records.get("gate"), walk.approval

    # The alias moves last. Who loses a race plans again: the winner may be newer than this commit.
    try:
        _deploy(planned, walk, loop, outcome)
    except ConflictError:
        _deploy(planned, walk, loop, outcome)


def _run(walk: Walk, decision: Decision, loop: Reconciler, outcome: Outcome) -> Record | None:
    """Run a step; None when it failed but only adds to what a released version already proved."""
    try:
        record = loop.executor.run(walk, decision)
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
    decision = walk.decide("deploy")
    _within_plan(planned, decision)
    loop.watcher.decided(outcome.name, decision)
    if decision.action == "BLOCKED":
        outcome.blocked = outcome.blocked or f"deploy: {decision.reason}"
    if decision.action == "NONE":
        outcome.idle = decision.reason
    if decision.action != "RUN":
        return
    outcome.deployment = loop.executor.deploy(walk, loop.now())
    outcome.ran.append("deploy")
    loop.watcher.finished(outcome.name, decision, None)


def _within_plan(planned: SpecPlan, decision: Decision) -> None:
    """Refuse to run what the plan did not list: the registry changed since, or the plan was wrong."""
    expected = planned.step(decision.step)
    if decision.action == "RUN" and expected.action not in ("RUN", "DEPENDS"):
        raise GituneError(
            f"{planned.name}: the plan said {expected.action} for {decision.step}, but now it would run "
            f"({decision.reason})",
            hint="the registry changed since the plan was made; plan and apply again",
        )
