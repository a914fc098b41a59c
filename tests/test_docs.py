"""The docs name everything a user can type."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import click
import pytest

from runner.cli.main import VERBS
from runner.evaluation.catalog import METRICS
from runner.plan.model import Action
from runner.plan.reasons import ReasonCode
from runner.registry.facts import STEPS

DOCS = Path(__file__).parents[1] / "docs"


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def options(command: click.Command) -> list[str]:
    context = click.Context(command)
    group = command if isinstance(command, click.Group) else None
    inner = [group.get_command(context, name) for name in group.list_commands(context)] if group else []
    own = [name for p in command.params if isinstance(p, click.Option) for name in p.opts if name.startswith("--")]
    return own + [name for child in inner for name in options(child)]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_and_flag_is_documented(verb):
    (row,) = [line for line in text("cli.md").splitlines() if re.match(rf"\| `{verb}[ `,]", line)]
    command = getattr(importlib.import_module(f"runner.cli.{verb}"), verb)
    missing = [option for option in options(command) if option not in row]
    assert not missing


def test_every_action_is_documented():
    for action in Action.__args__:
        assert f"| {action} |" in text("cli.md")


def test_every_reason_is_documented():
    for code in ReasonCode.__args__:
        assert f"`{code}`" in text("planning.md")


def test_every_step_is_documented():
    for step in STEPS:
        assert f"`{step}`" in text("architecture.md")


def test_every_metric_is_documented():
    for metric in METRICS:
        assert f"| `{metric}`" in text("evaluation.md")


def test_every_finding_is_documented():
    source = (DOCS.parent / "runner" / "training" / "diagnosis.py").read_text(encoding="utf-8")
    codes = re.findall(r'Finding\(\s+"(\w+)"', source)
    assert len(codes) >= 6
    for code in codes:
        assert f"| `{code}`" in text("training.md")
