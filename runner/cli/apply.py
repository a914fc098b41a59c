"""`gitune apply`: plan, ask, do exactly that, and say what became of it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from runner.cli.namespaces import ADOPT, NAMESPACE, take_over
from runner.cli.plan_output import terminal_width
from runner.cli.planning import THROUGH, Planned, last_step, make_or_load
from runner.cli.progress import Narrator
from runner.cli.project import Project, cache_folder, coloured, open_project
from runner.errors import GituneError, UsageError
from runner.executors.local import LocalExecutor
from runner.plan.cost import refuse_over_budget
from runner.plan.model import Plan
from runner.plan.request import Request
from runner.reconcile import Outcome, Reconciler, apply_plan
from runner.report.accuracy import took_json
from runner.report.outcome import render_outcome
from runner.report.scope import render_scoped

# Over several specs the first of these that occurs is the exit code.
CODES = (1, 5, 3, 4)

TERMINATED = 143


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPECS]... | FILE")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--through", type=THROUGH, help="Last step to run; `evaluate` is all up to the gate.")
@click.option("--retry", is_flag=True, help="Run steps again that failed before for good.")
@click.option("--force-older", is_flag=True, help="Deploy although this commit is not after the live one.")
@click.option("--over-budget", is_flag=True, help="Apply although the plan exceeds policy.budget.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@NAMESPACE
@ADOPT
@click.pass_obj
def apply(
    directory: Path,
    specs: tuple[str, ...],
    yes: bool,
    through: str | None,
    retry: bool,
    force_older: bool,
    over_budget: bool,
    as_json: bool,
    namespace: str | None,
    adopt: str | None,
) -> int:
    """Run what SPECS (default: every spec) need, judge their gates and deploy what passed.

    With a FILE that `gitune plan -o` wrote: do exactly that without asking, or refuse when anything changed since.
    """
    project = open_project(directory, namespace)
    request = Request(specs=specs, through=last_step(through), retry=retry, force_older=force_older, adopt=adopt)
    planned, reviewed = make_or_load(project, request, told=bool(through or retry or force_older or adopt))
    click.echo(render_scoped(planned.plan, coloured() and not as_json, terminal_width()), err=as_json)
    if not over_budget:
        refuse_over_budget(planned.plan)
    if not (yes or reviewed or planned.plan.idle):
        _ask()
    take_over(project, planned)
    outcomes = _run(project, planned)
    _account(project, planned.plan, outcomes)
    click.echo(_as_json(planned.plan, outcomes) if as_json else render_outcomes(outcomes))
    codes = [outcome.exit_code for outcome in outcomes]
    return next((code for code in CODES if code in codes), max(codes, default=0))


def _run(project: Project, planned: Planned) -> list[Outcome]:
    request = planned.request
    with _ended_by_sigterm(), Narrator() as narrator:
        executor = LocalExecutor(project.registry, cache_folder(), narrator.report, tuple(project.config.trackers))
        loop = Reconciler(project.registry, executor, planned.delivery, narrator, request.retry, request.through)
        return apply_plan(planned.plan, planned.subjects, loop)


def _account(project: Project, plan: Plan, outcomes: list[Outcome]) -> None:
    """Hold what was done against what the plan said: nothing done is a success only where that was the plan."""
    from runner.plan.saved import undone

    for planned, outcome in zip(plan.specs, outcomes, strict=True):
        stopped = outcome.error is not None or outcome.blocked is not None
        if not stopped and (left := undone(planned, outcome.ran, project.registry)):
            message = f"{outcome.name}: the plan said RUN for {', '.join(left)}, but that was not done"
            outcome.error = GituneError(message, hint="plan and apply again")


def _ask() -> None:
    if not sys.stdin.isatty():
        raise UsageError("apply asks before it acts, and stdin is no terminal", hint="pass --yes")
    if not click.confirm("Apply this plan?", err=True):
        raise GituneError("not applied: nothing was changed")


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


def render_outcomes(outcomes: list[Outcome]) -> str:
    """Render what became of each spec."""
    return "\n\n".join(render_outcome(outcome, coloured=coloured()) for outcome in outcomes)


def _as_json(plan: Plan, outcomes: list[Outcome]) -> str:
    specs = [
        {
            "name": outcome.name,
            "version": outcome.version,
            "ran": outcome.ran,
            "took": took_json(outcome.took),
            "gate": outcome.gate.metrics if outcome.gate else None,
            "deployed": outcome.deployment.model_dump(mode="json") if outcome.deployment else None,
            "blocked": outcome.blocked,
            "error": str(outcome.error) if outcome.error else None,
            "exit_code": outcome.exit_code,
        }
        for outcome in outcomes
    ]
    return json.dumps({"format_version": "1.0", "plan": plan.digest, "specs": specs}, indent=2, ensure_ascii=False)
