"""Which proposals an event is about: only what GitHub's API confirms, whatever the event says."""

from __future__ import annotations

import pytest
from hubs import as_job

from runner.errors import GituneError, UsageError
from runner.github.event import Event
from runner.github.pull_requests import MergeGroup, resolve


@pytest.fixture
def sha(clone):
    return clone.push("change", a="1")


@pytest.fixture
def number(hub, sha):
    return hub.open_pull_request("change", "A change")


@pytest.fixture
def repository(hub):
    return as_job(hub, pull_requests="read").repository


def found(repository, name, payload):
    refs = resolve(repository, Event(name, payload))
    assert not isinstance(refs, MergeGroup)
    return [(ref.number, ref.head_sha) for ref in refs]


def test_events_of_a_pull_request(hub, repository, number, sha):
    assert found(repository, "pull_request", hub.pull_request_event(number)) == [(number, sha)]
    review = hub.review_event(number, hub.review(number, "ada"))
    assert found(repository, "pull_request_review", review) == [(number, sha)]
    comment = hub.comment(number, "ada", "/gitune plan")
    assert found(repository, "issue_comment", hub.comment_event(comment)) == [(number, sha)]


def test_the_head_is_the_apis_and_not_the_events(hub, clone, repository, number):
    event = hub.pull_request_event(number)
    event["pull_request"]["head"]["sha"] = "f" * 40
    newer = clone.push("change", a="2")
    assert found(repository, "pull_request", event) == [(number, newer)]


def test_what_is_closed_is_nothing(hub, repository, number):
    event = hub.pull_request_event(number)
    hub.close(number)
    assert found(repository, "pull_request", event) == []


def test_a_comment_on_an_issue_is_about_no_pull_request(hub, repository, number):
    issue = hub.open_issue("Broken", "text", "eve")
    event = hub.comment_event(hub.comment(issue.number, "eve", "/gitune plan"))
    assert found(repository, "issue_comment", event) == []


def test_a_fork_is_not_trusted(hub, clone, repository, number):
    sha = clone.push("theirs", b="1")
    other = hub.open_pull_request("theirs", "From afar", "eve", fork=True)
    run = hub.run("plan.yml", event="pull_request", head_sha=sha, head_branch="theirs", fork="eve/app")
    (ref,) = resolve(repository, Event("workflow_run", hub.workflow_run_event(run, "completed")))
    assert (ref.number, ref.trusted, ref.author, ref.base_ref) == (other, False, "eve", "main")
    (ref,) = resolve(repository, Event("pull_request", hub.pull_request_event(number)))
    assert ref.trusted


def test_a_run_of_plan_is_about_the_heads_that_it_ran_on(hub, clone, repository, number, sha):
    run = hub.run("plan.yml", event="pull_request", head_sha=sha, head_branch="change")
    event = hub.workflow_run_event(run, "completed")
    assert found(repository, "workflow_run", event) == [(number, sha)]
    clone.push("change", a="2")
    assert found(repository, "workflow_run", event) == []


def test_a_run_of_retrain_names_its_commit(hub, clone, repository, number, sha):
    main = clone.git("rev-parse", "origin/main")
    more = {"head_sha": main, "head_branch": "main", "display_title": f"retrain {sha}"}
    run = hub.run("retrain.yml", event="workflow_run", **more)
    assert found(repository, "workflow_run", hub.workflow_run_event(run)) == [(number, sha)]
    # A retrain.yml of the pull request's own speaks for no other commit.
    run = hub.run("retrain.yml", event="pull_request", **more)
    assert found(repository, "workflow_run", hub.workflow_run_event(run)) == []


@pytest.mark.parametrize("title", ["retrain", "retrain main", "retrain " + "F" * 40, "", "retrain " + "0" * 40])
def test_a_title_that_names_no_head_is_about_nothing(hub, clone, repository, number, title):
    run = hub.run("retrain.yml", event="workflow_run", head_sha="0" * 40, head_branch="main", display_title=title)
    assert found(repository, "workflow_run", hub.workflow_run_event(run)) == []


def test_a_deployment_is_about_all_that_is_open(hub, clone, repository, number, sha):
    second = clone.push("second", b="2")
    other = hub.open_pull_request("second", "Another")
    clone.push("elsewhere", e="1")
    clone.push("third", c="3")
    hub.open_pull_request("third", "Into another branch", base="elsewhere")
    run = hub.run("deploy.yml", event="push", head_sha="0" * 40, head_branch="main")
    assert found(repository, "workflow_run", hub.workflow_run_event(run)) == []
    run.status, run.conclusion = "completed", "success"
    event = hub.workflow_run_event(run)
    assert sorted(found(repository, "workflow_run", event)) == [(number, sha), (other, second)]


def test_a_deploy_workflow_of_a_pull_requests_own_is_about_itself(hub, repository, number, sha):
    run = hub.run("deploy.yml", event="pull_request", head_sha=sha, head_branch="change")
    assert found(repository, "workflow_run", hub.workflow_run_event(run, "completed")) == [(number, sha)]


def dispatched(hub, **inputs):
    return hub.dispatch_event("retrain.yml", **inputs)


def test_a_person_names_number_and_commit(hub, repository, number, sha):
    assert found(repository, "workflow_dispatch", dispatched(hub, number=str(number), sha=sha)) == [(number, sha)]
    assert found(repository, "workflow_dispatch", dispatched(hub, number=str(number), sha="")) == [(number, sha)]


@pytest.mark.parametrize("given", ["0", "-1", "x", "", "1; id", "1 2"])
def test_what_is_no_number_is_refused(hub, repository, number, given):
    with pytest.raises(UsageError, match="`number`"):
        resolve(repository, Event("workflow_dispatch", dispatched(hub, number=given)))


def test_an_old_commit_is_refused(hub, clone, repository, number, sha):
    newer = clone.push("change", a="2")
    with pytest.raises(UsageError, match=f"the head of #{number} is {newer}, not {sha}"):
        resolve(repository, Event("workflow_dispatch", dispatched(hub, number=str(number), sha=sha)))
    with pytest.raises(UsageError, match="not"):
        resolve(repository, Event("workflow_dispatch", dispatched(hub, number=str(number), sha=newer[:12])))


def test_a_number_that_is_none_or_closed_is_refused(hub, repository, number):
    with pytest.raises(GituneError, match="pull request #77: GitHub answered 404"):
        resolve(repository, Event("workflow_dispatch", dispatched(hub, number="77")))
    hub.close(number)
    with pytest.raises(UsageError, match="not open"):
        resolve(repository, Event("workflow_dispatch", dispatched(hub, number=str(number))))


def test_an_event_about_no_pull_request_is_refused(hub, repository):
    with pytest.raises(UsageError, match="the event push"):
        resolve(repository, Event("push", {}))


@pytest.mark.parametrize(
    "name", ["pull_request", "pull_request_review", "issue_comment", "workflow_run", "merge_group"]
)
@pytest.mark.parametrize("payload", [{}, {"workflow_run": 7, "pull_request": [], "issue": "x", "merge_group": None}])
def test_a_payload_that_says_nothing_is_about_nothing(repository, name, payload):
    assert found(repository, name, payload) == []


class TestMergeGroup:
    """Pull requests that the queue tries together."""

    @pytest.fixture
    def numbers(self, hub, clone):
        made = []
        for name in ("one", "two", "three"):
            clone.push(name, **{name: "1"})
            made.append(hub.open_pull_request(name, name))
        return made

    def test_it_holds_those_whose_heads_it_merges(self, hub, repository, numbers):
        first, second, _ = numbers
        branch, head = hub.merge_group(first, second)
        group = resolve(repository, Event("merge_group", hub.merge_group_event(branch, head)))
        assert group == MergeGroup(head, "main", (second, first))
        run = hub.run("plan.yml", event="merge_group", head_sha=head, head_branch=branch)
        assert resolve(repository, Event("workflow_run", hub.workflow_run_event(run))) == group

    def test_squashed_ones_are_found_by_their_names(self, hub, clone, repository, numbers):
        first, second, third = numbers
        start = clone.git("rev-parse", "origin/main")
        clone.git("checkout", "--quiet", "-B", "queue", "origin/main")
        for number in (first, second):
            clone.git("commit", "--quiet", "--allow-empty", "--message", f"Title (#{number})\n\nnot (#{third})")
        clone.git("commit", "--quiet", "--allow-empty", "--message", "Title of (#999)")
        branch = f"gh-readonly-queue/main/pr-{second}-{start}"
        clone.git("push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
        event = hub.merge_group_event(branch, clone.git("rev-parse", "HEAD"))
        group = resolve(repository, Event("merge_group", event))
        assert group.numbers == (second, first)

    @pytest.mark.parametrize(
        "branch",
        ["main", "gh-readonly-queue/main/pr-1", "gh-readonly-queue/other/pr-1-" + "0" * 40, "pr-1-" + "0" * 40],
    )
    def test_another_branch_is_none(self, hub, repository, numbers, branch):
        event = hub.merge_group_event(branch, hub.git.commit("main"))
        assert resolve(repository, Event("merge_group", event)) == []
