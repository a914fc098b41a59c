"""`gitune release notes NAME`: what a version changed and what that did. `gitune release --unhold` ends a hold."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.plan_output import AS_JSON, FORM, Format
from runner.cli.project import Project, open_project
from runner.cli.ruling import BY, lift_hold, project_of
from runner.errors import UsageError
from runner.plan.build import look
from runner.plan.walk import Walk
from runner.registry.facts import Version
from runner.report.notes import Release, write_notes
from runner.report.releases import candidate_side, predecessor, released_side, render_notes
from runner.spec.semver import parse


@click.group(invoke_without_command=True)
@click.option("--unhold", metavar="NAME[@VERSION]", help="End a hold: of that version, else of whatever is new.")
@click.option("--reason", help="Why, with --unhold; it is kept with the decision.")
@BY
@click.pass_context
def release(context: click.Context, unhold: str | None, reason: str | None, by: str | None) -> None:
    """Say what releases changed, and let one go that was on hold."""
    if unhold is None:
        if reason or by:
            raise click.UsageError("--reason and --by go with --unhold")
        if context.invoked_subcommand is None:
            click.echo(context.get_help())
        return
    if context.invoked_subcommand is not None:
        raise click.UsageError("--unhold goes without a command")
    if reason is None:
        raise click.UsageError("--unhold needs --reason")
    name, _, version = unhold.partition("@")
    lift_hold(project_of(context.obj, name, version or None), name, version or None, reason, by)


@release.command(short_help="Write the changelog of a version, or of the spec as it is now.")
@click.argument("name")
@click.argument("version", required=False)
@click.option("--since", help="Version to tell the difference from; default: the release before.")
@AS_JSON
@FORM
@click.pass_obj
def notes(directory: Path, name: str, version: str | None, since: str | None, as_json: bool, form: Format) -> None:
    """Write the changelog of VERSION of NAME; without VERSION, of the spec as it is now, released or not.

    As text it is one line, as Markdown a section.
    """
    project = open_project(directory)
    (subject,) = project.subjects([name])
    new = _side(project, Walk(subject, project.registry, project.delivery()), version)
    earlier = _released(project, name, since) if since else _before(project, name, new)
    old = released_side(earlier, project.registry) if earlier else None
    if old is not None and old.version == new.version:
        raise UsageError(f"{name} {new.version} is told from another version, not from itself")
    found = write_notes(name, new, old, subject.spec.evaluation.primary, project.registry)
    if as_json or form == "json":
        click.echo(found.model_dump_json(indent=2))
    else:
        click.echo(render_notes(found) if form == "markdown" else found.line)


def _side(project: Project, walk: Walk, version: str | None) -> Release:
    spec = walk.subject.spec
    if version is None:
        version = spec.version
        if walk.released is None:
            return candidate_side(look(walk))
    return released_side(_released(project, spec.name, version), project.registry)


def _released(project: Project, name: str, version: str) -> Version:
    parse(version)
    if (found := project.registry.version(name, version)) is None:
        known = ", ".join(one.version for one in project.registry.versions(name)) or "none"
        raise UsageError(f"{name} {version} is not released", hint=f"released: {known}")
    return found


def _before(project: Project, name: str, new: Release) -> Version | None:
    """Return what a release is told from: what its gates compared with, else the number before it."""
    if new.champion is not None and new.champion != new.version:
        return project.registry.version(name, new.champion)
    return predecessor(new.version, project.registry.versions(name))
