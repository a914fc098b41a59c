"""What `gitune plan` prints: the plan or why its steps miss, for people, for programs or for a pull request."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from typing import Literal, get_args

import click

from runner.cli.project import coloured
from runner.plan.history import History
from runner.plan.model import Plan
from runner.plan.subject import Subject
from runner.registry.facts import STEPS, Step
from runner.registry.views import RegistryReader
from runner.report.scope import render_scoped

Format = Literal["text", "json", "markdown"]

FORM = click.option("--format", "form", type=click.Choice(get_args(Format)), default="text", help="For whom to write.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="The same as --format json (docs/cli.md).")

EVERY_STEP = "all"
"""Value of `--why-miss` that stands for all steps."""


def terminal_width() -> int | None:
    """Return the columns of the terminal; None where the output is none and lines stay whole."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def asked_miss(value: str | None, specs: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """Tell the step of `--why-miss [STEP]` from a spec that stands where it may stand."""
    if value is None or value == EVERY_STEP or value in STEPS:
        return value, tuple(specs)
    return EVERY_STEP, (value, *specs)


def show_plan(plan: Plan, form: Format) -> str:
    """Render a plan."""
    if form == "json":
        return plan.model_dump_json(indent=2)
    if form == "markdown":
        from runner.report.plan_markdown import plan_markdown

        return plan_markdown(plan)
    return render_scoped(plan, coloured(), terminal_width())


def show_misses(plan: Plan, subjects: Sequence[Subject], reader: RegistryReader, asked: str, form: Format) -> str:
    """Render why steps miss; as Markdown it is the same text in a fence."""
    from runner.plan.misses import why_miss
    from runner.report.escape import fence
    from runner.report.misses import render_misses

    only: Step | None = None if asked == EVERY_STEP else asked  # type: ignore[assignment]  # checked when it was parsed
    misses = why_miss(plan, subjects, History(reader), only)
    if form == "json":
        found = [miss.model_dump(mode="json") for miss in misses]
        return json.dumps({"format_version": "1.0", "plan": plan.digest, "misses": found}, indent=2, ensure_ascii=False)
    text = render_misses(misses, {subject.spec.name: subject.loaded.file for subject in subjects})
    return fence(text) if form == "markdown" else text
