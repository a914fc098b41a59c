"""`gitune apply`: plan, ask, do exactly that, and say what became of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from runner.cli.namespaces import ADOPT, NAMESPACE, take_over
from runner.cli.plan_output import terminal_width
from runner.cli.planning import THROUGH, last_step
from runner.cli.project import coloured, open_project
from runner.cli.running import account_for, run_plan
from runner.cli.saved_plan import make_or_load
from runner.errors import GituneError, UsageError
from runner.plan.cost import refuse_over_budget, refuse_training, would_train
from runner.plan.model import Plan
from runner.plan.request import Request
from runner.reconcile import Outcome
from runner.report.accuracy import took_json
from runner.report.outcome import render_outcomes
from runner.report.scope import render_scoped

# Over several specs the first of these that occurs is the exit code.
CODES = (1, 5, 3, 4)


@click.command()
@click.argument("specs", nargs=-1, metavar="[SPECS]... | FILE")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--through", type=THROUGH, help="Last step to run; `evaluate` is all up to the gate.")
@click.option("--retry", is_flag=True, help="Run steps again that failed before for good.")
@click.option("--force-older", is_flag=True, help="Deploy although this commit is not after the live one.")
@click.option("--over-budget", is_flag=True, help="Apply although the plan exceeds policy.budget.")
@click.option("--no-train", is_flag=True, help="Refuse a plan that trains: a merge only moves pointers.")
@click.option("--parallel", type=click.IntRange(1), default=1, help="Specs to work on at the same time, at most.")
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
    no_train: bool,
    parallel: int,
    as_json: bool,
    namespace: str | None,
    adopt: tuple[str, ...],
) -> int:
    """Run what SPECS (default: every spec) need, judge their gates and deploy what passed.

    With a FILE that `gitune plan -o` wrote: do exactly that without asking, or refuse when anything changed since.
    """
    project = open_project(directory, namespace)
    project.tell_if_empty()
    request = Request(specs=specs, through=last_step(through), retry=retry, force_older=force_older, adopt=adopt)
    planned, reviewed = make_or_load(project, request, told=bool(through or retry or force_older or adopt))
    click.echo(render_scoped(planned.plan, coloured() and not as_json, terminal_width()), err=as_json)
    if no_train:
        refuse_training(would_train(planned.plan))
    if not over_budget:
        refuse_over_budget(planned.plan)
    if not (yes or reviewed or planned.plan.idle):
        _ask()
    take_over(project, planned)
    outcomes = run_plan(project, planned, parallel, no_train=no_train)
    account_for(project, planned.plan, outcomes)
    shown = render_outcomes(outcomes, coloured=coloured(), width=terminal_width())
    click.echo(_as_json(planned.plan, outcomes) if as_json else shown)
    codes = [outcome.exit_code for outcome in outcomes]
    return next((code for code in CODES if code in codes), max(codes, default=0))


def _ask() -> None:
    if not sys.stdin.isatty():
        raise UsageError("apply asks before it acts, and stdin is no terminal", hint="pass --yes")
    if not click.confirm("Apply this plan?", err=True):
        raise GituneError("not applied: nothing was changed")


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
            "logs": {step: str(log) for step, log in outcome.logs.items()},
            "exit_code": outcome.exit_code,
        }
        for outcome in outcomes
    ]
    return json.dumps({"format_version": "1.0", "plan": plan.digest, "specs": specs}, indent=2, ensure_ascii=False)
