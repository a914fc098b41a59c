"""`gitune registry verify`: is everything in the store what it says it is?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from runner.cli.progress import Narrator
from runner.cli.project import cache_folder, open_project
from runner.errors import RegistryError
from runner.registry.inventory import released
from runner.registry.lookup import find_version, unknown_name
from runner.report.audit import Audit, audit
from runner.report.facts import size_words


@click.command("verify")
@click.argument("what", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print what was checked and every fault as JSON.")
@click.pass_obj
def verify_(directory: Path, what: str | None, as_json: bool) -> None:
    """Read everything (or what NAME or NAME@VERSION rests on) and check digests, records, logs and chains."""
    project = open_project(directory)
    name, at, number = (what or "").partition("@")
    if at:
        find_version(str(what), project.store, project.registry)
    elif name and name not in (known := released(project.store)):
        raise unknown_name(name, list(known))
    with Narrator() as narrator:
        found = audit(project.store, cache_folder(), project.root, narrator.report, name or None, number or None)
    click.echo(_as_json(found) if as_json else _as_text(found))
    if found.faults:
        raise RegistryError(f"{_count(len(found.faults), 'fault')} in the store {project.store}")


def _as_text(found: Audit) -> str:
    lines = [f"✗ {fault.where}: {fault.what}\n    {fault.remedy}" for fault in found.faults]
    checked = (
        f"{_count(found.artifacts, 'artifact')} ({size_words(found.size)}) read, {_count(found.versions, 'version')} "
        f"and {_count(found.logs, 'deployment log')} followed: {_count(len(found.faults) or 'no', 'fault')}"
    )
    return "\n".join([*lines, checked])


def _count(number: int | str, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _as_json(found: Audit) -> str:
    shown = {"format_version": "1.0", "verified": not found.faults, **asdict(found)}
    return json.dumps(shown, indent=2, ensure_ascii=False)
