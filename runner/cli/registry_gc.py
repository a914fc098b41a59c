"""`gitune registry gc`: what nothing leads to any more, what deleting it would cost, and the deleting itself."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from runner.cli.progress import Narrator
from runner.cli.project import Project, cache_folder, open_project
from runner.errors import GituneError, UsageError
from runner.executors.alone import alone
from runner.git_history import read_history
from runner.plan.reach import Reach, reach
from runner.progress import Progress
from runner.registry.gc import Garbage, find_garbage, namespace, sweep, sweep_namespace
from runner.registry.marks import Roots
from runner.report.duration import duration
from runner.report.facts import size_words

_SECONDS = {"h": 3600, "d": 86400, "w": 7 * 86400}


@click.command("gc")
@click.option("--delete", is_flag=True, help="Delete it; without this, gc only says what it would delete.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--keep-commits", default="90d", show_default=True, help="Keep what commits of this window lead to.")
@click.option("--grace", default="14d", show_default=True, help="Keep whatever is younger than this.")
@click.option("--pr", "number", type=click.IntRange(min=1), help="Only what this closed pull request's runs left.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_obj
def gc_(
    directory: Path, delete: bool, yes: bool, keep_commits: str, grace: str, number: int | None, as_json: bool
) -> None:
    """Say what no release, lease, recent commit or branch leads to, and which reverts would no longer be free."""
    project = open_project(directory)
    if number is not None:
        _pull_request(project, number, delete=delete, yes=yes, as_json=as_json)
        return
    now = time.time()
    history = read_history(project.root, now - _seconds("--keep-commits", keep_commits))
    youngest = now - _seconds("--grace", grace)
    with Narrator() as narrator:
        found = reach(history, project.root, project.config, project.registry, narrator.report)
        roots = Roots(found.keys, set(history.recent), found.names, youngest)
        narrator.report(Progress("reading records"))
        garbage = find_garbage(project.store, roots)
    click.echo(_as_json(garbage, found) if as_json else "\n".join(_lines(garbage, found)))
    if delete and garbage.count:
        _ask(f"Delete {garbage.count} objects, {size_words(garbage.size)}?", yes=yes)
        with Narrator() as narrator, alone(project.main_registry, cache_folder(), partial(click.echo, err=True)):
            _done(*sweep(project.store, garbage, roots, narrator.report))


def _pull_request(project: Project, number: int, *, delete: bool, yes: bool, as_json: bool) -> None:
    files = namespace(project.store, number)
    size = sum(file.size for file in files)
    told = f"pull request {number} left {len(files)} objects, {size_words(size)}"
    value = {"format_version": "1.0", "pull_request": number, "objects": len(files), "bytes": size}
    click.echo(json.dumps(value, indent=2) if as_json else told)
    if delete and files:
        _ask("Delete them? Its runs must be over.", yes=yes)
        with Narrator() as narrator:
            _done(*sweep_namespace(project.store, files, narrator.report))


def _lines(garbage: Garbage, found: Reach) -> Iterator[str]:
    for revert in garbage.reverts:
        at = f"at commit {revert.commit[:10]}" if revert.commit else "as it ran uncommitted"
        again = "train again" if "train" in revert.steps else f"run {', '.join(revert.steps)} again"
        yield f"revert to {revert.spec} {at} ({revert.version}) would {again}, about {duration(revert.seconds)}"
    for unreadable in found.unreadable:
        yield f"cannot be read, so only what ran at that very commit stays: {unreadable}"
    if garbage.foreign:
        yield f"kept, as this repository has never held the spec: records of {', '.join(garbage.foreign)}"
    kinds = (("records and failures", garbage.records), ("leases", garbage.leases), ("artifacts", garbage.artifacts))
    for kind, items in kinds:
        yield f"{len(items):>8} {kind:<21} {size_words(sum(item.size for item in items))}"
    yield (
        f"{garbage.kept_records} steps and {garbage.kept_artifacts} artifacts stay "
        f"({found.contents} contents of specs in the window)"
    )
    yield f"in all {garbage.count} objects, {size_words(garbage.size)}" if garbage.count else "nothing to delete"


def _as_json(garbage: Garbage, found: Reach) -> str:
    shown = {
        "format_version": "1.0",
        **{kind: [item._asdict() for item in getattr(garbage, kind)] for kind in ("records", "leases", "artifacts")},
        "reverts": [asdict(revert) for revert in garbage.reverts],
        "kept": {"records": garbage.kept_records, "artifacts": garbage.kept_artifacts},
        "foreign": list(garbage.foreign),
        "unreadable": found.unreadable,
        "bytes": garbage.size,
    }
    return json.dumps(shown, indent=2, ensure_ascii=False)


def _seconds(flag: str, text: str) -> int:
    match = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if match is None:
        raise UsageError(f"{flag} {text} is no duration", hint="write a number of hours, days or weeks: 12h, 90d, 2w")
    return int(match[1]) * _SECONDS[match[2]]


def _ask(question: str, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("gc asks before it deletes, and stdin is no terminal", hint="pass --yes")
    if not click.confirm(question, err=True):
        raise GituneError("nothing was deleted")


def _done(count: int, size: int) -> None:
    click.echo(f"deleted {count} objects, {size_words(size)}", err=True)
