"""The one comment of ours: found by marker and author, edited in place, shortened where GitHub refuses its length."""

from __future__ import annotations

import pytest
from github_server import Fault
from hubs import as_job, writes

from runner.errors import GituneError
from runner.github.comment import find_comment, publish_comment

MARKER = "<!-- ours -->"


@pytest.fixture
def number(hub, clone):
    clone.push("change", a="1")
    return hub.open_pull_request("change", "A change")


@pytest.fixture
def job(hub):
    return as_job(hub, pull_requests="write")


def publish(job, number, text):
    return publish_comment(job, number, find_comment(job, number, MARKER), lambda limit: f"{MARKER}\n{text}"[:limit])


def bodies(hub, number):
    return [(one.login, one.body.removeprefix(f"{MARKER}\n")) for one in hub.comments(number)]


def test_it_is_written_once_and_edited_then(hub, job, number):
    publish(job, number, "plan")
    publish(job, number, "report")
    assert bodies(hub, number) == [("github-actions[bot]", "report")]
    before = writes(hub)
    publish(job, number, "report")
    assert writes(hub) == before


def test_it_is_found_on_the_third_page(hub, job, number):
    for place in range(250):
        hub.comment(number, "eve", f"word {place}")
    publish(job, number, "plan")
    hub.comment(number, "eve", "last")
    publish(job, number, "report")
    assert len(hub.comments(number)) == 252
    assert hub.comments(number)[250].body.endswith("report")


def test_a_comment_of_somebody_else_that_carries_the_marker_is_left_alone(hub, job, number):
    hub.comment(number, "eve", f"{MARKER}\nall is well")
    hub.comment(number, "gitune[bot]", f"{MARKER}\nof another App")
    publish(job, number, "report")
    assert bodies(hub, number) == [
        ("eve", "all is well"),
        ("gitune[bot]", "of another App"),
        ("github-actions[bot]", "report"),
    ]


def test_one_that_was_deleted_by_hand_is_written_again(hub, job, number):
    publish(job, number, "plan")
    hub.all_comments.clear()
    publish(job, number, "report")
    assert bodies(hub, number) == [("github-actions[bot]", "report")]


def test_of_two_the_oldest_stays(hub, job, number):
    for text in ("first", "second", "third"):
        hub.comment(number, "github-actions[bot]", f"{MARKER}\n{text}")
    hub.comment(number, "github-actions[bot]", "of another workflow")
    publish(job, number, "report")
    assert [text for _, text in bodies(hub, number)] == ["report", "of another workflow"]


def test_a_lost_answer_makes_no_second_comment_that_stays(hub, job, number):
    hub.faults.append(Fault(502, method="POST", path="comments", after=True))
    publish(job, number, "plan")
    publish(job, number, "report")
    assert [text for _, text in bodies(hub, number)] == ["report"]


def test_a_duplicate_that_another_job_deletes_meanwhile_is_no_error(hub, job, number):
    for text in ("first", "second"):
        hub.comment(number, "github-actions[bot]", f"{MARKER}\n{text}")
    hub.faults.append(Fault(404, "Not Found", method="DELETE"))
    publish(job, number, "report")


def test_it_is_written_again_shorter_where_it_is_refused(hub, job, number):
    # GitHub counts some texts longer than we do.
    hub.faults.append(Fault(422, "Body is too long (maximum is 65536 characters)", method="POST", path="comments"))
    publish(job, number, "x" * 100_000)
    (found,) = hub.comments(number)
    assert len(found.body) == 30_000
    hub.faults += [Fault(422, "Body is too long (maximum is 65536 characters)", method="PATCH")] * 2
    publish(job, number, "y" * 100_000)
    assert len(found.body) == 10_000


def test_what_is_refused_at_any_length_is_an_error(hub, job, number):
    hub.faults += [Fault(422, "Unprocessable", method="POST", path="comments")] * 3
    with pytest.raises(GituneError, match=rf"commenting on #{number}: GitHub answered 422"):
        publish(job, number, "x")


def test_no_permission_is_said(hub, number):
    with pytest.raises(GituneError, match=rf"commenting on #{number}: GitHub answered 403"):
        publish(as_job(hub, pull_requests="read"), number, "x")
