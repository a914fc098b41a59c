"""One check run of ours for each commit: found again, changed in place, never taken for another App's."""

from __future__ import annotations

import pytest
from github_server import Fault
from hubs import as_app, as_job, writes

from runner.errors import GituneError
from runner.github.check import publish_check, withdraw_check


@pytest.fixture
def sha(clone):
    return clone.push("change", a="1")


def told(hub, sha):
    return [(run.app, run.status, run.conclusion, run.output["title"]) for run in hub.checks(sha)]


def test_it_begins_ends_and_says_the_same_once(hub, sha):
    app = as_app(hub, checks="write")
    publish_check(app, sha, "pending", "waits", "text", f"{hub.url}/run/1")
    assert told(hub, sha) == [("gitune", "in_progress", None, "waits")]
    publish_check(app, sha, "success", "fine", "text", f"{hub.url}/run/2")
    assert told(hub, sha) == [("gitune", "completed", "success", "fine")]
    before = writes(hub)
    publish_check(app, sha, "success", "fine", "text", f"{hub.url}/run/3")
    assert writes(hub) == before
    publish_check(app, sha, "failure", "bad", "text")
    assert told(hub, sha) == [("gitune", "completed", "failure", "bad")]
    assert len(hub.all_checks) == 1


def test_a_green_check_that_has_to_wait_again_is_green_no_more(hub, sha):
    app = as_app(hub, checks="write")
    hub.require("gitune", app="gitune")
    number = hub.open_pull_request("change", "A change")
    publish_check(app, sha, "success", "fine", "text")
    publish_check(app, sha, "pending", "waits", "text")
    assert told(hub, sha) == [("gitune", "in_progress", None, "waits")]
    with pytest.raises(Exception, match="expected"):
        hub.merge(number)
    # What has ended stays as it was: another run takes its place.
    assert [run.conclusion for run in hub.all_checks.values()] == ["success", None]


def test_a_check_of_another_app_is_not_ours(hub, sha):
    forged = as_job(hub, checks="write").repository.create_check_run("gitune", sha, conclusion="success")
    app = as_app(hub, checks="write")
    publish_check(app, sha, "failure", "bad", "text")
    assert sorted((run.app, run.conclusion) for run in hub.checks(sha)) == [
        ("github-actions", "success"),
        ("gitune", "failure"),
    ]
    assert hub.all_checks[forged.id].edits == 0


def test_it_is_found_behind_a_hundred_others(hub, sha):
    app = as_app(hub, checks="write")
    for number in range(120):
        as_one = hub.all_checks
        run = type(next(iter(as_one.values()), None)) if as_one else None
        if run is None:
            publish_check(app, sha, "pending", "waits", "text")
            (ours,) = as_one.values()
        else:
            hub.all_checks[-number] = run(-number, f"app-{number}", "gitune", sha)
    hub.all_checks[ours.id] = hub.all_checks.pop(ours.id)
    publish_check(app, sha, "success", "fine", "text")
    assert (ours.conclusion, len(hub.all_checks)) == ("success", 120)


@pytest.mark.parametrize(
    "text", ["line\n" * 30_000, "ä€😀\n" * 20_000, "x" * 200_000], ids=["ascii", "wide", "one line"]
)
def test_a_summary_that_is_too_long_is_cut_between_lines(hub, sha, text):
    publish_check(as_app(hub, checks="write"), sha, "success", "t" * 500, text)
    (run,) = hub.checks(sha)
    assert len(run.output["summary"].encode()) < 65_536
    assert run.output["summary"].endswith("… cut: the comment says more.")
    assert "\ufffd" not in run.output["summary"]
    assert len(run.output["title"]) <= 255


def test_no_permission_is_said(hub, sha):
    with pytest.raises(GituneError, match=f"publishing the check of {sha[:12]}: GitHub answered 403"):
        publish_check(as_app(hub, checks="read"), sha, "success", "fine", "text")


def test_an_answer_that_was_lost_leaves_one_verdict(hub, sha):
    hub.faults.append(Fault(502, method="POST", path="check-runs", after=True))
    app = as_app(hub, checks="write")
    publish_check(app, sha, "success", "fine", "text")
    publish_check(app, sha, "failure", "bad", "text")
    assert told(hub, sha) == [("gitune", "completed", "failure", "bad")]


def test_a_green_check_is_taken_back_and_no_other(hub, sha):
    app = as_app(hub, checks="write")
    withdraw_check(app, sha, "Judging again")
    assert told(hub, sha) == []
    publish_check(app, sha, "failure", "bad", "text")
    withdraw_check(app, sha, "Judging again")
    assert told(hub, sha) == [("gitune", "completed", "failure", "bad")]
    publish_check(app, sha, "success", "fine", "text")
    withdraw_check(app, sha, "Judging again")
    assert told(hub, sha) == [("gitune", "in_progress", None, "Judging again")]
