"""`gitune ci`: what a merge request changes, trained if asked for, judged, and told, on any CI system."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from runner import git
from runner.cli.configuration import CONFIG_FROM, config_at
from runner.cli.namespaces import NAMESPACE
from runner.cli.planning import make
from runner.cli.project import Project, cache_folder, open_project
from runner.cli.repository import find_root
from runner.cli.running import account_for, run_plan
from runner.errors import DataError, SpecError, UsageError
from runner.plan.cost import refuse_over_budget
from runner.plan.request import Request
from runner.proposals.context import CommentContext
from runner.proposals.ground import Ground
from runner.proposals.judge import judge
from runner.proposals.markdown import render_comment
from runner.proposals.masking import masked_proposal
from runner.proposals.model import Proposal

FILE = click.Path(dir_okay=False, path_type=Path)

BASES = "CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "GITHUB_BASE_REF", "BITBUCKET_PR_DESTINATION_BRANCH", "CHANGE_TARGET"
"""Where GitLab, GitHub, Bitbucket and Jenkins name the branch that is merged into.

Never the commit that a proposal began at: which one that is, and so which floors hold, would be the proposal's choice.
"""

VISIBILITY = "CI_PROJECT_VISIBILITY"
"""Where GitLab says who may read artifacts."""


@click.command()
@click.option("--base", metavar="REF", help="What it is compared with; default: what the CI system says.")
@click.option("--train", is_flag=True, help="First run what is missing, through the gates.")
@click.option("--markdown", type=FILE, help="Write the comment to FILE.")
@click.option("--junit", type=FILE, help="Write the verdicts to FILE as JUnit XML.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdicts as JSON.")
@NAMESPACE
@click.pass_obj
def ci(
    directory: Path,
    base: str | None,
    train: bool,
    markdown: Path | None,
    junit: Path | None,
    as_json: bool,
    namespace: str | None,
) -> int:
    """Judge what this branch changes from stored answers, with the configuration of its base.

    Prints the comment as Markdown. Exits with 0 when nothing stands in the way, 3 or 4 as the gates do, 5 for a data
    check, else 1. Code owners are listed and not asked: that is for the forge to do.
    """
    base = base or _base(find_root(directory))
    # Before anything reads it: a proposal chooses no store, programs or limits of its own.
    os.environ[CONFIG_FROM] = os.environ.get(CONFIG_FROM) or base
    project = open_project(directory, namespace)
    if train:
        _train(project, base)
    examples = project.config.report.examples or ("masked" if os.environ.get(VISIBILITY) == "public" else "full")
    found = _judged(project, base)
    told = render_comment(found, CommentContext(examples=examples))
    proposal = masked_proposal(found, examples)
    if markdown is not None:
        markdown.write_text(told, encoding="utf-8")
    if junit is not None:
        from runner.proposals.junit import render_junit

        junit.write_text(render_junit(proposal), encoding="utf-8")
    click.echo(proposal.model_dump_json(indent=2) if as_json else told)
    return proposal.exit_code


def _base(root: Path) -> str:
    """Return what a CI system says that this is merged into, else the remote's default branch, else main."""
    said = next((value for name in BASES if (value := os.environ.get(name))), None)
    candidates = (f"origin/{said}", said) if said else ("origin/HEAD", "origin/main", "main")
    found = next((ref for ref in candidates if git.resolve_commit(root, ref)), None)
    if found is None:
        hint = "fetch it (fetch-depth: 0), or name another with --base"
        raise UsageError(f"git knows no {said or 'origin/HEAD or main'} here", hint=hint)
    return found


def _train(project: Project, base: str) -> None:
    """Run what the verdicts need; what keeps it from running is told by them."""
    try:
        planned = make(project, Request(base=base, through="gate"))
    except SpecError:
        return
    refuse_over_budget(planned.plan)
    outcomes = run_plan(project, planned, 1)
    account_for(project, planned.plan, outcomes)
    for outcome in outcomes:
        # What is wrong with data quotes rows, and is told by the verdicts as the policy allows.
        if outcome.error is not None and not isinstance(outcome.error, DataError):
            click.echo(f"{outcome.name}: {outcome.error}", err=True)


def _judged(project: Project, base: str) -> Proposal:
    with tempfile.TemporaryDirectory(prefix="gitune-ci-") as scratch:
        ground = Ground(
            root=project.root,
            base_ref=base,
            config=config_at(project.root, os.environ[CONFIG_FROM]),
            cache=cache_folder(),
            scratch=Path(scratch),
            namespaces=[project.namespace] if project.namespace else [],
            ended=True,
        )
        return judge(ground)
