"""`gitune gate selftest NAME`: whether the gates of a spec are calibrated on its own test rows."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.project import open_project
from runner.errors import GituneError, UsageError
from runner.evaluation.words import percent, points
from runner.plan.build import look
from runner.plan.walk import Walk

if TYPE_CHECKING:
    from runner.evaluation.selftest import Calibration


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@click.pass_obj
def selftest(directory: Path, name: str, as_json: bool) -> None:
    """Try NAME's gates on its stored scores: equal models must not pass, planted gains must."""
    from runner.evaluation.scores import Scores
    from runner.evaluation.selftest import selftest as try_gates

    project = open_project(directory)
    (subject,) = project.subjects([name])
    scored = look(Walk(subject, project.registry, project.delivery())).records.get("score")
    if scored is None:
        raise UsageError(
            f"{name} {subject.spec.version} has no stored scores", hint="run `gitune apply --through evaluate` first"
        )
    scores = Scores.model_validate_json(project.registry.read(scored.outputs["scores"]))
    found = try_gates(subject.spec.evaluation.gates, scores)
    failed = [one for one in found if not one.ok]
    if as_json:
        gates = [{**asdict(one), "ok": one.ok} for one in found]
        shown = {"format_version": "1.0", "name": name, "version": subject.spec.version, "ok": not failed}
        click.echo(json.dumps({**shown, "gates": gates}, indent=2, ensure_ascii=False))
    else:
        for one in found:
            for line in _lines(one):
                click.echo(line)
    if loose := sum(not one.is_strict_enough for one in found):
        raise GituneError(
            f"{loose} of {len(found)} gates pass equal models too often",
            hint="ask for more rows, or for `proof: strict`; and please report it, with the output of --json",
        )
    if failed:
        raise GituneError(
            f"{len(failed)} of {len(found)} gates do not see any planted gain that there is room for",
            hint="add test rows, or ask for less: no better model would pass with these",
        )


def _lines(one: Calibration) -> list[str]:
    lines = [
        f"{'✓' if one.ok else '✗'} {one.gate}",
        f"    base against base: {one.identical}",
        f"    equally good models pass {percent(one.false_passes)} of {one.tries} tries ({percent(one.allowed)} may)",
    ]
    lines += [f"    a true gain of {points(gain.gain)} points passes in {percent(gain.passed)}" for gain in one.planted]
    if not one.planted:
        lines.append("    no gain can be planted in stored scores of this metric")
    return lines
