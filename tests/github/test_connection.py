"""Who we are on GitHub, how long we wait for it, and that a token is never told."""

from __future__ import annotations

import time

import pytest
from github_server import Fault
from hubs import as_app, as_job

from runner.errors import GituneError, TransientError, UsageError
from runner.github import patience
from runner.github.connection import connect, github_errors


def test_a_job_is_github_actions_and_an_app_is_itself(hub):
    job, app = as_job(hub), as_app(hub, "our-app")
    assert (job.app, job.login, job.is_own_app) == ("github-actions", "github-actions[bot]", False)
    assert (app.app, app.login, app.is_own_app) == ("our-app", "our-app[bot]", True)


def test_a_person_outside_of_a_job_is_asked_for(hub):
    environ = hub.environ("push", {}, hub.token(user="bob"))
    del environ["GITHUB_ACTIONS"]
    person = connect(environ)
    assert (person.app, person.login, person.is_own_app) == (None, "bob", False)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"GITHUB_REPOSITORY": ""}, "GITHUB_REPOSITORY"),
        ({"GITHUB_REPOSITORY": "../../user"}, "GITHUB_REPOSITORY"),
        ({"GITHUB_REPOSITORY": "org/app\n"}, "GITHUB_REPOSITORY"),
        ({"GITHUB_TOKEN": ""}, "no token for org/app"),
        ({"GITUNE_APP_TOKEN": "ghs_secret"}, "GITUNE_APP_SLUG is not"),
    ],
)
def test_what_lacks_is_named(hub, changed, said):
    with pytest.raises(UsageError, match=said):
        connect({**hub.environ("push", {}, hub.token()), **changed})


def test_a_wrong_token_is_refused_and_never_told(hub):
    with pytest.raises(GituneError, match="opening org/app: GitHub answered 401") as caught:
        connect(hub.environ("push", {}, "ghs_secret"))
    assert "ghs_secret" not in f"{caught.value}{caught.value!r}{caught.value.hint}{caught.value.__cause__}"
    found = as_app(hub)
    assert found.token not in repr(found)


def comment_on(hub, clone):
    clone.push("change", a="1")
    number = hub.open_pull_request("change", "A change")
    connection = as_job(hub, pull_requests="write")
    return connection.repository.get_pull(number).create_issue_comment("one")


def test_an_edit_outlives_two_bad_gateways(hub, clone):
    comment = comment_on(hub, clone)
    hub.faults += [Fault(502, method="PATCH")] * 2
    with github_errors("editing"):
        comment.edit("two")
    assert [one.body for one in hub.comments(1)] == ["two"]


@pytest.mark.parametrize(
    "fault",
    [
        # A limit names the time of day when it ends, so it is made when it begins.
        lambda: Fault.secondary_limit(1),
        lambda: Fault.primary_limit(2),
        lambda: Fault(429, "slow down", {"Retry-After": "1"}),
    ],
    ids=["secondary", "primary", "slow"],
)
def test_a_limit_is_waited_for(hub, clone, fault):
    comment = comment_on(hub, clone)
    hub.faults.append(fault())
    began = time.monotonic()
    with github_errors("editing"):
        comment.edit("two")
    assert hub.comments(1)[0].body == "two"
    assert time.monotonic() - began >= 0.9


@pytest.mark.parametrize(
    "fault",
    [Fault.secondary_limit(3600), Fault.primary_limit(3600), Fault(503, "later", {"Retry-After": "3600"})],
    ids=["secondary", "primary", "outage"],
)
def test_nobody_waits_an_hour(hub, clone, fault):
    comment = comment_on(hub, clone)
    hub.faults.append(fault)
    began = time.monotonic()
    with pytest.raises(TransientError, match="editing: ") as caught, github_errors("editing"):
        comment.edit("two")
    assert time.monotonic() - began < 10
    assert caught.value.hint


def test_patience_ends_in_all_and_not_for_each_try(hub, clone, monkeypatch):
    monkeypatch.setattr(patience, "LONGEST", 2.0)
    comment = comment_on(hub, clone)
    hub.faults += [Fault(503, "later", {"Retry-After": "1"})] * 50
    began = time.monotonic()
    with pytest.raises(TransientError), github_errors("editing"):
        comment.edit("two")
    assert time.monotonic() - began < 4


def test_an_outage_says_what_was_being_done(hub, clone, monkeypatch):
    monkeypatch.setattr(patience, "_TRIES", 2)
    comment = comment_on(hub, clone)
    hub.faults += [Fault(502)] * 9
    with (
        pytest.raises(TransientError, match=r"editing: GitHub cannot be reached \(too many 502 error responses\)"),
        github_errors("editing"),
    ):
        comment.edit("two")


def test_a_refusal_is_no_outage(hub, clone):
    clone.push("change", a="1")
    number = hub.open_pull_request("change", "A change")
    reader = as_job(hub, pull_requests="read")
    with pytest.raises(GituneError, match="writing: GitHub answered 403") as caught, github_errors("writing"):
        reader.repository.get_pull(number).create_issue_comment("x")
    assert not isinstance(caught.value, TransientError)
    assert "permissions" in caught.value.hint
