"""`gitune github report`: judge what an event is about, and publish check and comment."""

from __future__ import annotations

import os
import traceback
from pathlib import Path

import click

from runner.cli.project import open_project
from runner.cli.repository import cache_folder, find_root
from runner.errors import GituneError
from runner.github.connection import connect
from runner.github.event import read_event
from runner.github.pull_requests import DEPLOY, MergeGroup, resolve
from runner.github.report import Desk, mark_stale, report_group, report_pull_request, withdraw
from runner.proposals.words import headline


@click.command()
@click.pass_obj
def report(directory: Path) -> int:
    """Judge the pull requests that an event is about from stored answers, and publish check and comment.

    Exits with 0 once all is told, whatever the verdict: that is the check's to say. Run it in a clone of the base
    branch; the proposal's files are fetched and read as data.
    """
    event, connection = read_event(os.environ), connect(os.environ)
    open_project(directory).require_shared_store()
    desk = Desk(connection, find_root(directory), cache_folder(), os.environ)
    found = resolve(connection.repository, event)
    # Whoever may write could make a base of his own, with a store and programs of his own in its configuration; and a
    # check hangs on a commit, so what is judged against an easier base would also count for the other.
    default = connection.repository.default_branch
    if isinstance(found, MergeGroup) and found.base_ref == default:
        click.echo(f"merge group {found.head_sha[:12]}: {headline(report_group(desk, found))}")
        return 0
    if not found or isinstance(found, MergeGroup):
        click.echo("no open pull request has this commit as its head: nothing to report")
        return 0
    failed = 0
    if event.text("workflow_run", "path").partition("@")[0] == DEPLOY:
        withdraw(desk, found)
    for pull in found:
        if pull.base_ref != default:
            click.echo(f"#{pull.number} is to be merged into {pull.base_ref}: nothing is judged there")
            continue
        try:
            if event.at("action") == "requested":
                mark_stale(desk, pull)
            click.echo(f"#{pull.number} {pull.head_sha[:12]}: {headline(report_pull_request(desk, pull))}")
        except GituneError as error:
            # The others have nothing to do with it.
            click.echo(f"#{pull.number}: {error}", err=True)
            failed = 1
        except Exception:  # noqa: BLE001 - told, and the job fails
            # Nor with a fault of ours: its check is red by now, and whoever mends it needs all of this.
            click.echo(f"#{pull.number}:\n{traceback.format_exc()}", err=True)
            failed = 1
    return failed
