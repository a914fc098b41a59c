"""The running half of `gitune apply`: a plan that was agreed to -> what became of each spec."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from runner.cli.planning import Planned
from runner.cli.progress import Narrator
from runner.cli.project import Project, cache_folder
from runner.errors import GituneError
from runner.evaluation.outside import missing_variables
from runner.executors.local import LocalExecutor
from runner.plan.model import Plan
from runner.plan.undone import undone
from runner.reconcile import Outcome, Reconciler, apply_plan
from runner.report.text import up_to_date

TERMINATED = 143


def run_plan(project: Project, planned: Planned, parallel: int, *, no_train: bool = False) -> list[Outcome]:
    """Do what the plan says, `parallel` specs at a time; with `no_train` a spec that must be trained fails."""
    _require_keys(planned)
    request, parallel = planned.request, max(1, min(parallel, _busy(planned.plan)))
    idle = frozenset(spec.name for spec in planned.plan.specs if spec.removed is None and up_to_date(spec))
    with _ended_by_sigterm(), Narrator(several=parallel > 1, idle=idle) as narrator:
        trackers = tuple(project.config.trackers)
        executor = LocalExecutor(project.registry, cache_folder(), narrator.report, trackers, parallel)
        loop = Reconciler(
            project.registry, executor, planned.delivery, narrator, request.retry, request.through, no_train=no_train
        )
        outcomes = apply_plan(planned.plan, planned.subjects, loop, parallel)
    for outcome in outcomes:
        outcome.logs = executor.logs.get(outcome.name, {})
    return outcomes


def _require_keys(planned: Planned) -> None:
    """Refuse before hours of training what its scoring could not ask then."""
    for subject in planned.subjects:
        steps = [spec.step("score") for spec in planned.plan.specs if spec.name == subject.spec.name]
        if not any(step.action in ("RUN", "DEPENDS") for step in steps):
            continue
        for name, who in missing_variables(subject.spec, subject.config).items():
            message = f"{subject.spec.name}: {who} needs ${name}, which is not set"
            raise GituneError(message, hint="set it in the environment of the apply, or stop before: --through train")


def _busy(plan: Plan) -> int:
    """Count the specs that anything is done for: more at a time would take cores and give them to nobody."""
    return sum(any(step.action not in ("REUSE", "NONE", "BLOCKED") for step in spec.steps) for spec in plan.specs)


def account_for(project: Project, plan: Plan, outcomes: list[Outcome]) -> None:
    """Hold what was done against what the plan said: nothing done is a success only where that was the plan."""
    for planned, outcome in zip(plan.specs, outcomes, strict=True):
        stopped = outcome.error is not None or outcome.blocked is not None
        if not stopped and (left := undone(planned, outcome.ran, project.registry)):
            message = f"{outcome.name}: the plan said RUN for {', '.join(left)}, but that was not done"
            outcome.error = GituneError(message, hint="plan and apply again")


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """End the block on SIGTERM as on Ctrl-C: its child processes and scratch folders go with it."""
    told = False

    def end(*_: object) -> None:
        nonlocal told
        told = True
        sys.exit(TERMINATED)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        if told:
            click.echo("terminated; the next apply goes on from the last finished step", err=True)
