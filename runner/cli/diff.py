"""`gitune diff [REF1 [REF2]]`: what changed in the specs, and what that means. Writes nothing."""

from __future__ import annotations

from pathlib import Path

import click

from runner import git
from runner.cli.plan_output import AS_JSON, FORM, Format
from runner.cli.planning import refuse_unknown
from runner.cli.project import Project, coloured, open_project
from runner.errors import UsageError
from runner.plan.compare import compare
from runner.plan.difference import Difference
from runner.plan.revision import Found, find_base, find_commit, find_touched
from runner.report.difference import markdown_difference, render_difference

DIFFERENCES = 2


@click.command()
@click.argument("refs", nargs=-1, metavar="[REF1 [REF2]]")
@click.option("--spec", "specs", multiple=True, metavar="NAME", help="Only this spec; may be given several times.")
@AS_JSON
@FORM
@click.option("--detailed-exitcode", is_flag=True, help="Exit with 2 when there are differences.")
@click.pass_obj
def diff(
    directory: Path, refs: tuple[str, ...], specs: tuple[str, ...], as_json: bool, form: Format, detailed_exitcode: bool
) -> int:
    """Compare the specs of two commits, or of REF1 and the working tree.

    Without REF1: since HEAD left the branch that deploys.
    """
    project = open_project(directory)
    found = _compare(project, refs, specs)
    if as_json or form == "json":
        click.echo(found.model_dump_json(indent=2))
    else:
        click.echo(markdown_difference(found) if form == "markdown" else render_difference(found, coloured=coloured()))
    return DIFFERENCES if detailed_exitcode and (found.specs or found.config) else 0


def _compare(project: Project, refs: tuple[str, ...], specs: tuple[str, ...]) -> Difference:
    root = project.root
    match refs:
        case ():
            old, new = find_base(root, _deploy_branch(project)), None
        case (one,):
            old, new = find_commit(root, one), None
        case (one, other):
            old, new = find_commit(root, one), find_commit(root, other)
        case _:
            raise UsageError(f"diff compares two references, and {len(refs)} were given", hint="name specs with --spec")
    touched = find_touched(root, old, new)
    refuse_unknown(project, specs, touched.before | touched.after)
    if new is not None:
        return compare(touched, None, specs)
    names = [name for name in touched.kept if not specs or name in specs]
    # No name at all would mean every spec.
    subjects = project.subjects(names) if names else []
    return compare(touched, Found(project.config, {subject.spec.name: subject for subject in subjects}, {}), specs)


def _deploy_branch(project: Project) -> str:
    """Return the branch that deploys, as it is known here: a workflow's checkout has only the remote's."""
    branch = project.config.policy.deploy_branch
    known = (name for name in (branch, f"origin/{branch}") if git.resolve_commit(project.root, name))
    return next(known, branch)
