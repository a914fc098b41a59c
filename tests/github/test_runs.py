"""Whether a commit is being trained, has been, or never was."""

from __future__ import annotations

import pytest
from github_server import Fault
from hubs import as_job

from runner.errors import GituneError
from runner.github.runs import Training, training_of

SHA = "a" * 40


@pytest.fixture
def bare_repository(hub):
    return as_job(hub, actions="read").repository


@pytest.fixture
def repository(clone, bare_repository):
    (clone.root / ".github/workflows").mkdir(parents=True)
    clone.push("main", **{".github/workflows/retrain.yml": "on: workflow_dispatch\n"})
    return bare_repository


def run(hub, status="completed", conclusion="success", *, title=f"retrain {SHA}", event="workflow_run", branch="main"):
    made = hub.run("retrain.yml", event=event, head_sha="0" * 40, head_branch=branch, display_title=title)
    made.status, made.conclusion = status, conclusion if status == "completed" else None
    return made


def test_a_repository_without_the_workflow_trains_nothing(bare_repository):
    assert training_of(bare_repository, SHA) == Training()


@pytest.mark.parametrize("status", ["queued", "in_progress", "waiting", "requested", "pending"])
def test_one_that_has_not_ended_is_at_it(hub, repository, status):
    run(hub)
    made = run(hub, status)
    found = training_of(repository, SHA)
    assert found.running.url == f"{hub.url}/org/app/actions/runs/{made.id}"
    assert found.running.since is not None
    assert not found.ended


@pytest.mark.parametrize("conclusion", ["success", "failure", "cancelled", "timed_out"])
def test_one_that_ended_did(hub, repository, conclusion):
    run(hub, conclusion=conclusion)
    assert (training_of(repository, SHA).running, training_of(repository, SHA).ended) == (None, True)


@pytest.mark.parametrize(
    "other",
    [
        {"title": "retrain " + "b" * 40},
        {"title": f"retrain {SHA} "},
        {"conclusion": "skipped"},
        {"branch": "change"},
        {"event": "pull_request"},
    ],
    ids=["another commit", "another title", "skipped", "another branch", "a fork's branch that is called main"],
)
def test_other_runs_say_nothing(hub, repository, other):
    run(hub, **other)
    assert training_of(repository, SHA) == Training()


def test_it_is_found_behind_many_others(hub, repository):
    run(hub)
    for _ in range(150):
        run(hub, title="retrain " + "b" * 40)
    assert training_of(repository, SHA).ended


def test_a_refusal_is_an_error(hub, repository):
    run(hub)
    hub.faults.append(Fault(403, "Resource not accessible by integration", path="runs"))
    with pytest.raises(GituneError, match=r"listing the runs of retrain\.yml: GitHub answered 403"):
        training_of(repository, SHA)
