"""`gitune explain NAME`: the proof of what is live, verified offline."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from runner.cli.project import Project, open_project
from runner.errors import RegistryError, UsageError
from runner.registry.facts import Version
from runner.report.proof import prove


@click.command()
@click.argument("name")
@click.option("--version", "number", help="A released version; default: what is live.")
@click.option("--json", "as_json", is_flag=True, help="Print the links as JSON.")
@click.pass_obj
def explain(directory: Path, name: str, number: str | None, as_json: bool) -> None:
    """Print how NAME's live version came to be, and verify every link of it."""
    project = open_project(directory)
    alias, *_ = project.aliases(name)
    version = _version(project, name, alias, number)
    links = prove(version, alias, project.registry, project.root)
    broken = [link for link in links if link.broken]
    if as_json:
        shown = {"format_version": "1.0", "name": name, "version": version.version, "verified": not broken}
        click.echo(json.dumps({**shown, "links": [asdict(link) for link in links]}, indent=2, ensure_ascii=False))
    else:
        click.echo(f"{name} {version.version}")
        for link in links:
            click.echo(f"  {'✗' if link.broken else '✓'} {link.what:<17} {link.detail}")
            if link.broken:
                click.echo(f"      {link.broken}")
    if broken:
        raise RegistryError(
            f"{name} {version.version}: {len(broken)} of {len(links)} links do not verify",
            hint="restore the missing or damaged objects from a copy of the store",
        )


def _version(project: Project, name: str, alias: str, number: str | None) -> Version:
    live = project.registry.live(name, alias)
    wanted = number or (live.version if live else None)
    if live is not None and wanted is None:
        when = f"{live.deployed:%Y-%m-%d %H:%M:%S} by commit {live.commit[:12]}"
        message = f"{name} was undeployed from {alias} at {when}"
        raise UsageError(message, hint=f"`--version {live.previous}` explains what was live")
    if wanted is None:
        raise UsageError(f"{name} has never been deployed as {alias}", hint="`gitune apply` releases it")
    found = project.registry.version(name, wanted)
    if found is None:
        known = ", ".join(version.version for version in project.registry.versions(name)) or "none"
        raise UsageError(f"{name} {wanted} is not released", hint=f"released: {known}")
    return found
