"""`gitune github resolve`: the event that started this job -> the pull request that it is about, as outputs."""

from __future__ import annotations

import os

import click

from runner.github.connection import connect
from runner.github.event import read_event
from runner.github.outputs import write_output
from runner.github.pull_requests import MergeGroup
from runner.github.pull_requests import resolve as find


@click.command()
def resolve() -> None:
    """Set the outputs `number`, `sha`, `base` and `trusted` to the pull request that an event is about.

    `trusted` is true for a branch of the repository itself, and where a person who may write here named the commit.
    Without an open pull request all of them are empty.
    """
    event = read_event(os.environ)
    repository = connect(os.environ).repository
    found = find(repository, event)
    pulls = [] if isinstance(found, MergeGroup) else found
    # Anybody may open another one of the same commit, from a fork or into another branch: it must not be in the way.
    pulls = sorted(pulls, key=lambda pull: (pull.base_ref != repository.default_branch, not pull.trusted, pull.number))
    outputs = dict.fromkeys(("number", "sha", "base", "trusted"), "")
    if pulls:
        pull = pulls[0]
        named = event.name == "workflow_dispatch" and event.text("inputs", "sha") == pull.head_sha
        outputs = {
            "number": str(pull.number),
            "sha": pull.head_sha,
            "base": pull.base_ref,
            "trusted": "true" if pull.trusted or named else "false",
        }
    for name, value in outputs.items():
        write_output(os.environ, name, value)
        click.echo(f"{name}={value}")
