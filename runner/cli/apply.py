"""`gitune apply`: plan, ask, do exactly that, and say what became of it."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from runner.cli.plan_output import terminal_width
from runner.cli.progress import Narrator
from runner.cli.project import cache_folder, coloured, open_project
from runner.errors import GituneError, UsageError
from runner.executors.local import LocalExecutor
from runner.models.memory import training_memory
from runner.plan.build import build_plan
from runner.plan.cost import refuse_over_budget
from runner.plan.model import Plan
from runner.reconcile import Outcome, Reconciler, apply_plan
from runner.registry.facts import STEPS, Step
from runner.report.accuracy import took_json
from runner.report.outcome import render_outcome
from runner.report.text import render_plan

# Over several specs the first of these that occurs is the exit code.
CODES = (1, 5, 3, 4)

TERMINATED = 143


@click.command()
@click.argument("specs", nargs=-1)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--through",
    type=click.Choice(["evaluate", *STEPS]),
    default="deploy",
    help="Last step to run; `evaluate` is all up to the gate.",
)
@click.option("--retry", is_flag=True, help="Run steps again that failed before for good.")
@click.option("--force-older", is_flag=True, help="Deploy although this commit is not after the live one.")
@click.option("--over-budget", is_flag=True, help="Apply although the plan exceeds policy.budget.")
@click.option("--json", "as_json", is_flag=True, help="Print the outcome as JSON.")
@click.pass_obj
def apply(
    directory: Path,
    specs: tuple[str, ...],
    yes: bool,
    through: str,
    retry: bool,
    force_older: bool,
    over_budget: bool,
    as_json: bool,
) -> int:
    """Run what SPECS (default: every spec) need, judge their gates and deploy what passed."""
    project = open_project(directory)
    delivery = project.delivery(force_older=force_older)
    subjects = project.subjects(specs)
    last: Step = "gate" if through == "evaluate" else through  # type: ignore[assignment]  # click checked the choice
    plan = build_plan(
        subjects, project.registry, delivery, retry=retry, through=last, memory=training_memory(), config=project.config
    )
    click.echo(render_plan(plan, coloured() and not as_json, terminal_width()), err=as_json)
    if not over_budget:
        refuse_over_budget(plan)
    if not plan.idle and not yes:
        _ask()
    with _ended_by_sigterm(), Narrator() as narrator:
        executor = LocalExecutor(project.registry, cache_folder(), narrator.report, tuple(project.config.trackers))
        loop = Reconciler(project.registry, executor, delivery, narrator, retry, last)
        outcomes = apply_plan(plan, subjects, loop)
    click.echo(_as_json(plan, outcomes) if as_json else render_outcomes(outcomes))
    codes = [outcome.exit_code for outcome in outcomes]
    return next((code for code in CODES if code in codes), max(codes, default=0))


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
