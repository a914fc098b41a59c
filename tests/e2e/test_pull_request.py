"""The story: a change is proposed, planned, trained, reported, merged and deployed; a bad one is refused; a revert is free."""

from __future__ import annotations

import copy

import pytest
from forge import SPEC, Forge, rows
from github_server.http import Refused

from runner.registry.artifacts import blob_key

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def forge(tmp_path_factory):
    with Forge(tmp_path_factory.mktemp("forge")) as made:
        yield made


@pytest.fixture(scope="module")
def waiting(forge):
    """A pull request that was trained and judged while 1.0.0 was live, and is still open; and its comment then."""
    assert forge.live() == "1.0.0"
    other = edited(version="1.0.2", training={"learning_rate": 0.0045})
    number = forge.propose("other", lambda it: it.write_spec(other))
    succeed(*forge.retrain(number))
    run = forge.retrain_run(forge.head(number))
    run.status, run.conclusion = "completed", "success"
    succeed(forge.report(run))
    return number, forge.comment(number)


def edited(**changes):
    spec = copy.deepcopy(SPEC)
    for field, values in changes.items():
        spec[field] = {**spec[field], **values} if isinstance(values, dict) else values
    return spec


def succeed(*jobs):
    assert jobs
    for job in jobs:
        assert job.code == 0, job.text


def test_the_first_release_is_dispatched_by_a_person(forge):
    (refused,) = forge.deploy()
    assert refused.code == 1
    assert "router" in refused.text
    assert forge.live() is None
    succeed(*forge.deploy(train=True))
    assert (forge.live(), forge.trainings()) == ("1.0.0", 1)
    assert forge.hub.git.commit("refs/tags/router/v1.0.0") == forge.main()
    assert [release.tag_name for release in forge.hub.releases] == ["router/v1.0.0"]


def test_a_good_change_is_planned_trained_reported_merged_and_deployed(forge, waiting):
    good = edited(version="1.0.1", training={"learning_rate": 0.004})
    number = forge.propose("slower", lambda it: it.write_spec(good))
    planned = forge.plan(number)
    succeed(planned)
    assert "router" in planned.out
    succeed(forge.report(forge.plan_run(number)))
    sha = forge.head(number)
    assert forge.check(sha) == ("in_progress", None)
    first = forge.comment(number)
    assert "router" in first
    assert "learning_rate" in first

    run = forge.retrain_run(sha)
    succeed(forge.report(run))
    assert "training since" in forge.comment(number)
    succeed(*forge.retrain(number))
    with pytest.raises(Refused, match="expected"):
        forge.hub.merge(number)
    run.status, run.conclusion = "completed", "success"
    succeed(forge.report(run))
    assert forge.check(sha) == ("completed", "success")
    report = forge.comment(number)
    assert "PASS" in report
    assert "exact_match" in report
    assert len(forge.hub.comments(number)) == 1

    edits = len([one for one in forge.hub.requests if one.method == "PATCH"])
    succeed(forge.report(run))
    assert len([one for one in forge.hub.requests if one.method == "PATCH"]) == edits

    # The merge queue asks for the check of its own commit.
    branch, group = forge.hub.merge_group(number)
    queued = forge.hub.run("plan.yml", event="merge_group", head_sha=group, head_branch=branch, status="completed")
    succeed(forge.report(queued))
    assert forge.check(group) == ("completed", "success")
    assert len(forge.hub.comments(number)) == 1

    forge.hub.merge(number)
    trained = forge.trainings()
    succeed(*forge.deploy())
    assert (forge.live(), forge.trainings()) == ("1.0.1", trained)
    assert forge.hub.git.commit("refs/tags/router/v1.0.1") == forge.main()
    assert [release.tag_name for release in forge.hub.releases] == ["router/v1.0.0", "router/v1.0.1"]


def test_what_was_open_meanwhile_is_judged_again_without_training(waiting, forge):
    number, before = waiting
    assert "Δ champion 1.0.0" in before
    assert forge.live() == "1.0.1"
    trained = forge.trainings()
    deployed = forge.hub.run("deploy.yml", event="push", head_sha=forge.main(), head_branch="main", status="completed")
    succeed(forge.report(deployed))
    comment = forge.comment(number)
    assert "Δ champion 1.0.1" in comment
    assert "Δ champion 1.0.0" not in comment
    assert forge.check(forge.head(number)) == ("completed", "success")
    assert forge.trainings() == trained
    forge.hub.close(number)


def test_deploying_again_changes_nothing(forge):
    before = sorted(file.name for file in forge.store.rglob("deployments/**/*.json"))
    forge.deploy()
    assert sorted(file.name for file in forge.store.rglob("deployments/**/*.json")) == before
    assert len(forge.hub.releases) == 2


def test_strangers_plan_from_the_snapshot_that_the_deployment_published(forge):
    stranger = edited(version="1.0.2", training={"learning_rate": 0.003})
    number = forge.propose("stranger", lambda it: it.write_spec(stranger), author="mallory", fork=True)
    planned = forge.plan(number)
    succeed(planned)
    assert "learning_rate" in planned.out
    assert "REUSE" in planned.out
    forge.hub.close(number)


def test_a_change_that_makes_it_worse_fails_and_says_why(forge):
    def spoil(it):
        it.write_spec(edited(version="1.1.0", training={"learning_rate": 0.004}))
        it.write("specs/router/data/train.jsonl", rows(0, 120, shuffled=True))

    number = forge.propose("shuffled", spoil)
    sha = forge.head(number)
    forge.retrain(number)
    run = forge.retrain_run(sha)
    run.status, run.conclusion = "completed", "failure"
    succeed(forge.report(run))
    assert forge.check(sha) == ("completed", "failure")
    comment = forge.comment(number)
    assert "FAIL" in comment
    assert "exact_match" in comment
    assert "broken" in comment.lower()
    # The repository is public: examples are shown with their letters masked.
    assert "xxxx" in comment
    with pytest.raises(Refused, match="expected"):
        forge.hub.merge(number)
    assert forge.live() == "1.0.1"


def test_a_revert_moves_the_pointer_and_trains_nothing(forge):
    forge.branch("revert")
    forge.git("revert", "--no-edit", "-m", "1", "HEAD")
    forge.git("push", "--quiet", "origin", "revert")
    number = forge.hub.open_pull_request("revert", "Back to what was", "bob")
    trained = forge.trainings()
    assert forge.retrain(number) == []
    succeed(forge.report(forge.plan_run(number)))
    assert forge.check(forge.head(number)) == ("completed", "success")
    forge.hub.merge(number)
    succeed(*forge.deploy())
    assert (forge.live(), forge.trainings()) == ("1.0.0", trained)
    # What was released keeps its tag and release.
    assert [release.tag_name for release in forge.hub.releases] == ["router/v1.0.0", "router/v1.0.1"]


def test_what_is_lost_is_told_in_one_issue(forge):
    succeed(forge.drift())
    assert forge.hub.issues == []
    version = forge.registry.version("router", "1.0.0")
    adapter = forge.registry.record("train", version.keys["train"]).outputs["adapter"]
    (forge.store / blob_key(adapter.digest)).unlink()
    succeed(forge.drift())
    (issue,) = forge.hub.issues
    assert "router" in issue.body
    assert issue.labels == ["gitune-drift"]
    before = issue.updated_at
    succeed(forge.drift())
    assert [one.updated_at for one in forge.hub.issues] == [before]


def test_nothing_was_leaked(forge):
    forge.assert_nothing_leaked()
