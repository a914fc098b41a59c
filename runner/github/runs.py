"""Whether a run is at a commit's training, or has ended. Asked of the API, so that the order of events is no matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.github.connection import github_errors, status_of
from runner.github.pull_requests import RETRAIN, RETRAINS
from runner.proposals.ground import Running

if TYPE_CHECKING:
    from github.Repository import Repository
    from github.WorkflowRun import WorkflowRun

_RECENT = 300
"""Runs that are looked through; of more than that at once none is of a head that is still waited for."""


@dataclass(frozen=True, slots=True)
class Training:
    """What the runs of the retrain workflow say about a commit."""

    running: Running | None = None
    """The one that is at it."""
    ended: bool = False
    """Whether one ended, and none is at it."""
    url: str | None = None
    """Where the one that ended can be read."""


def training_of(repository: Repository, sha: str) -> Training:
    """Find the runs that train a commit.

    Raises:
        GituneError: when GitHub refuses.
    """
    from github import GithubException

    with github_errors("listing the runs of retrain.yml"):
        try:
            found = repository.get_workflow(RETRAIN.rsplit("/", 1)[-1]).get_runs(branch=repository.default_branch)
            runs = [run for run, _ in zip(found, range(_RECENT), strict=False) if _is_training(run, sha)]
        except GithubException as error:
            if status_of(error) != 404:  # noqa: PLR2004 - HTTP: the repository has no such workflow
                raise
            return Training()
    for run in runs:
        if run.status != "completed":
            return Training(Running(run.created_at, run.html_url))
    return Training(ended=bool(runs), url=runs[0].html_url if runs else None)


def _is_training(run: WorkflowRun, sha: str) -> bool:
    """Whether a run was at a commit. A fork may call its branch as ours, and one that was skipped never began."""
    return run.display_title == f"retrain {sha}" and run.event in RETRAINS and run.conclusion != "skipped"
