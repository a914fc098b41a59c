"""`gitune eval rescore|ledger NAME`: from stored answers alone, without a model."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from runner.cli.project import Project, cache_folder, coloured, open_project
from runner.executors.rescore import Rescored, rescore
from runner.plan.build import look
from runner.plan.walk import Walk
from runner.progress import silent
from runner.registry.facts import Record
from runner.registry.registry import open_scratch
from runner.report.ledger import build_ledger, ledger_text
from runner.report.rescored import rescored_text

_CODES = {"FAIL": 3, "INCONCLUSIVE": 4}


@click.group()
def eval() -> None:  # noqa: A001 - the verb's name, by which `main` finds it
    """Score stored answers anew, and follow test rows through versions."""


@eval.command("rescore", short_help="Apply changed metrics or gates to stored answers.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print verdicts and scores as JSON.")
@click.pass_obj
def rescore_stored(directory: Path, name: str, as_json: bool) -> int:
    """Say what NAME's gates would decide with the metrics and gates as they are in the working tree.

    Runs no model and keeps nothing; `gitune apply` records it. Exits as the gates do: 0, 3 (FAIL), 4 (INCONCLUSIVE).
    """
    project = open_project(directory)
    (subject,) = project.subjects([name])
    delivery = project.delivery()
    before = _judged(project, Walk(subject, project.registry, delivery))
    with tempfile.TemporaryDirectory(prefix="gitune-rescore-") as folder:
        scratch = Path(folder)
        registry = open_scratch(project.config.store, project.root, cache_folder(), scratch / "store")
        found = rescore(Walk(subject, registry, delivery), registry, cache_folder(), scratch / "steps", silent)
    spec = subject.spec
    if as_json:
        click.echo(_as_json(spec.name, spec.version, found))
    else:
        click.echo(rescored_text(f"{spec.name} {spec.version}", before, found, coloured=coloured()))
    return 0 if found.gate["release"] else _CODES[found.gate["outcome"]]


@eval.command(short_help="Follow every test row that changed through the released versions.")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the ledger as JSON.")
@click.pass_obj
def ledger(directory: Path, name: str, as_json: bool) -> None:
    """Say which test rows NAME's versions fixed, broke, or could not make up their minds about."""
    project = open_project(directory)
    (subject,) = project.subjects([name])
    found = build_ledger(name, project.registry.versions(name), subject.spec.evaluation.primary, project.registry)
    click.echo(found.model_dump_json(indent=2) if as_json else ledger_text(found))


def _judged(project: Project, walk: Walk) -> Record | None:
    """Return the newest verdicts on this version: those of its release, of the spec as it is, or of an earlier try."""
    if (found := look(walk).records.get("gate")) is not None:
        return found
    spec = walk.subject.spec
    tries = (one for one in project.registry.records("gate") if (one.spec, one.version) == (spec.name, spec.version))
    return max(tries, key=lambda one: one.finished, default=None)


def _as_json(name: str, version: str, found: Rescored) -> str:
    told = {
        "format_version": "1.0",
        "name": name,
        "version": version,
        "ran": list(found.ran),
        "gate": dict(found.gate),
        "scores": dict(found.scores),
    }
    return json.dumps(told, indent=2, ensure_ascii=False)
