"""The GitHub of our tests behaves as the real one where it matters, seen through PyGithub."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from github import Auth, Github, GithubException, GithubRetry
from github_server import Fault, GitHubServer


def connect(hub, token, **more):
    retry = GithubRetry(total=3, backoff_factor=0, secondary_rate_wait=0)
    return Github(
        auth=Auth.Token(token), base_url=hub.url, **{"retry": retry, "seconds_between_writes": 0, **more}
    ).get_repo("org/app")


ALL = dict.fromkeys(
    ("contents", "pull-requests", "issues", "checks", "statuses", "actions"), "write"
)  # what no job of ours has


@pytest.fixture
def repository(hub):
    return connect(hub, hub.token(ALL))


def refusal(expected, call, /, *arguments, **named):
    with pytest.raises(GithubException) as caught:
        call(*arguments, **named)
    assert caught.value.status == expected, caught.value
    return json.dumps(caught.value.data)


# Tokens


def test_an_unknown_token_is_refused(hub):
    assert "Bad credentials" in refusal(401, connect, hub, "ghs_wrong")


def test_a_token_does_what_its_scopes_say(hub, clone):
    clone.push("change", a="1")
    number = hub.open_pull_request("change", "A change")
    reader = connect(hub, hub.token({"pull-requests": "read"}))
    issue = reader.get_issue(number)
    for call in (
        lambda: issue.create_comment("x"),
        lambda: reader.create_check_run("gitune", reader.get_branch("main").commit.sha),
        lambda: reader.create_git_ref("refs/heads/x", reader.get_branch("main").commit.sha),
        lambda: reader.create_issue("x"),
        lambda: reader.get_branch("main").commit.create_status("success"),
    ):
        assert "Resource not accessible by integration" in refusal(403, call)
    connect(hub, hub.token({"pull-requests": "write"})).get_issue(number).create_comment("x")
    assert [comment.login for comment in hub.comments(number)] == ["github-actions[bot]"]


def test_a_private_repository_is_read_with_a_scope_only(clone):
    clone.push("change", a="1")
    with GitHubServer(clone.root.parent / "app.git", private=True) as hub:
        number = hub.open_pull_request("change", "A change")
        blind = connect(hub, hub.token({"contents": "read"}))
        assert blind.private
        refusal(403, blind.get_pull, number)
        assert connect(hub, hub.token({"pull-requests": "read"})).get_pull(number).title == "A change"


def test_a_person_acts_as_their_role_lets_them(hub):
    bob, eve = (connect(hub, hub.token(user=name)) for name in ("bob", "eve"))
    assert bob.create_issue("help").user.login == "bob"
    refusal(403, eve.create_git_ref, "refs/heads/x", eve.get_branch("main").commit.sha)


def test_apps_have_no_user_but_are_viewers(hub):
    github = Github(auth=Auth.Token(hub.token({}, app="gitune")), base_url=hub.url)
    refusal(403, lambda: github.get_user().login)
    _, data = github.requester.graphql_query("query { viewer { login } }", {})
    assert data["data"]["viewer"]["login"] == "gitune[bot]"


def test_roles_are_told(hub, repository):
    assert [repository.get_collaborator_permission(name) for name in ("ada", "bob", "eve", "mallory")] == [
        "admin",
        "write",
        "read",
        "read",
    ]


def test_membership_of_a_team_is_told_to_an_app_that_may_know(hub):
    hub.teams["org/data"] = {"ada": "member"}
    url = "/orgs/org/teams/data/memberships/{}"
    app = connect(hub, hub.token({"members": "read"}, app="gitune"))
    assert app.requester.requestJsonAndCheck("GET", url.format("ada"))[1]["state"] == "active"
    refusal(404, app.requester.requestJsonAndCheck, "GET", url.format("bob"))
    job = connect(hub, hub.token(ALL))
    refusal(403, job.requester.requestJsonAndCheck, "GET", url.format("ada"))


# Pages, limits, faults


def test_lists_come_in_pages_of_at_most_100(hub, repository):
    issue = repository.create_issue("long")
    for number in range(205):
        hub.comment(issue.number, "bob", f"comment {number}")
    hub.requests.clear()
    connect(hub, hub.token(ALL), per_page=500).get_issue(issue.number).get_comments()
    comments = list(connect(hub, hub.token(ALL), per_page=100).get_issue(issue.number).get_comments())
    assert [comment.body for comment in comments] == [f"comment {number}" for number in range(205)]
    pages = [request for request in hub.requests if request.path.endswith("/comments")]
    assert [request.query.get("page", "1") for request in pages] == ["1", "2", "3"]
    assert repository.create_issue("other").get_comments().totalCount == 0


@pytest.mark.parametrize(("length", "fits"), [(65_536, True), (65_537, False)])
def test_a_body_has_a_limit(hub, repository, length, fits):
    issue = repository.create_issue("long")
    if fits:
        assert len(issue.create_comment("x" * length).body) == length
    else:
        said = refusal(422, issue.create_comment, "x" * length)
        assert "Body is too long (maximum is 65536 characters)" in said
        assert "Validation Failed" in said


@pytest.mark.parametrize(("length", "fits"), [(65_535, True), (65_536, False)])
def test_the_summary_of_a_check_has_a_limit(hub, repository, length, fits):
    output = {"title": "t", "summary": "x" * length}
    sha = repository.get_branch("main").commit.sha
    if fits:
        repository.create_check_run("gitune", sha, output=output)
    else:
        said = refusal(422, repository.create_check_run, "gitune", sha, output=output)
        assert "Only 65535 characters are allowed; 65536 were supplied." in said


def test_what_fails_for_a_moment_is_asked_again(hub, repository):
    hub.faults += [Fault(502), Fault(503)]
    assert repository.get_branch("main").name == "main"
    assert [request.status for request in hub.requests[-3:]] == [502, 503, 200]


def test_a_fault_can_be_aimed_and_can_lose_the_answer_only(hub, repository):
    issue = repository.create_issue("once")
    hub.faults += [Fault(502, method="POST", path="/comments$", after=True)]
    repository.get_issue(issue.number)
    issue.create_comment("twice")
    assert [comment.body for comment in hub.comments(issue.number)] == ["twice", "twice"]


def test_a_secondary_limit_tells_how_long_to_wait(hub, repository):
    hub.faults += [Fault.secondary_limit(1)]
    started = time.monotonic()
    repository.get_branch("main")
    assert time.monotonic() - started >= 1
    hub.faults += [Fault.secondary_limit(None)] * 9
    with pytest.raises(GithubException, match="secondary rate limit"):
        connect(hub, hub.token(ALL), retry=None)


def test_a_used_up_hour_tells_when_it_ends(hub, repository):
    hub.faults += [Fault.primary_limit(1)]
    started = time.monotonic()
    repository.get_branch("main")
    assert time.monotonic() - started >= 1


# Pull requests


def test_a_pull_request_follows_its_branch(hub, clone, repository):
    first = clone.push("change", a="1")
    number = hub.open_pull_request("change", "A change", "bob")
    pull = repository.get_pull(number)
    assert (pull.head.sha, pull.head.ref, pull.base.ref, pull.user.login) == (first, "change", "main", "bob")
    second = clone.push("change", a="2", b="3")
    assert repository.get_pull(number).head.sha == second
    clone.git("fetch", "--quiet", "origin", f"refs/pull/{number}/head")
    assert clone.git("rev-parse", "FETCH_HEAD") == second
    assert sorted((file.filename, file.status) for file in pull.get_files()) == [("a", "added"), ("b", "added")]
    assert [commit.sha for commit in pull.get_commits()] == [second]
    assert [pull.number for pull in repository.get_commit(second).get_pulls()] == [number]


def test_a_fork_leaves_no_branch(hub, clone, repository):
    first = clone.push("theirs", a="1")
    number = hub.open_pull_request("theirs", "From outside", "mallory", fork=True)
    pull = repository.get_pull(number)
    assert (pull.head.sha, pull.head.repo.full_name, pull.base.repo.full_name) == (first, "mallory/app", "org/app")
    refusal(404, repository.get_branch, "theirs")
    second = clone.push("theirs", a="2")
    assert repository.get_pull(number).head.sha == second
    refusal(404, repository.get_branch, "theirs")


def test_a_merge_is_a_real_commit_and_waits_for_the_required_check(hub, clone, repository):
    sha = clone.push("change", a="1")
    number = hub.open_pull_request("change", "A change")
    hub.require("gitune", app="gitune")
    merge = connect(hub, hub.token(user="bob")).get_pull(number).merge
    # A check of that name by a job is not the one that is asked for.
    repository.create_check_run("gitune", sha, conclusion="success")
    assert 'Required status check \\"gitune\\" is expected' in refusal(405, merge)
    ours = connect(hub, hub.token({"checks": "write"}, app="gitune")).create_check_run(
        "gitune", sha, status="in_progress"
    )
    refusal(405, merge)
    ours.edit(conclusion="success")
    merged = merge().sha
    clone.git("fetch", "--quiet")
    assert clone.git("rev-parse", "origin/main") == merged
    assert clone.git("show", "origin/main:a") == "1"
    assert clone.git("rev-parse", f"{merged}^2") == sha
    pull = repository.get_pull(number)
    assert (pull.merged, pull.state, pull.merge_commit_sha) == (True, "closed", merged)
    assert [found.number for found in repository.get_commit(merged).get_pulls()] == [number]
    assert list(repository.get_pulls()) == []


def test_squashing_leaves_one_commit(hub, clone, repository):
    clone.push("change", a="1")
    number = hub.open_pull_request("change", "A change")
    merged = repository.get_pull(number).merge(merge_method="squash").sha
    clone.git("fetch", "--quiet")
    assert clone.git("rev-list", "--count", "origin/main") == "2"
    assert [found.number for found in repository.get_commit(merged).get_pulls()] == [number]


def test_what_conflicts_is_not_merged(hub, clone, repository):
    clone.push("one", a="1")
    clone.push("two", a="2")
    first, second = (hub.open_pull_request(name, name) for name in ("one", "two"))
    hub.merge(first)
    assert "not mergeable" in refusal(405, repository.get_pull(second).merge)


def test_a_job_opens_no_pull_request_unless_it_may(hub, clone, repository):
    clone.push("revert", a="1")
    said = refusal(403, repository.create_pull, base="main", head="revert", title="Back", body="because")
    assert "not permitted to create" in said
    app = connect(hub, hub.token({"pull-requests": "write"}, app="gitune"))
    pull = app.create_pull(base="main", head="revert", title="Back", body="because")
    assert (pull.user.login, pull.body) == ("gitune[bot]", "because")
    assert "already exists" in refusal(422, app.create_pull, base="main", head="revert", title="Back")
    refusal(422, app.create_pull, base="main", head="nowhere", title="Back")
    hub.actions_may_open_pull_requests = True
    hub.close(pull.number)
    repository.create_pull(base="main", head="revert", title="Again")


def test_reviews_name_the_commit(hub, clone, repository):
    first = clone.push("change", a="1")
    number = hub.open_pull_request("change", "A change")
    hub.review(number, "ada")
    clone.push("change", a="2")
    hub.review(number, "ada", "CHANGES_REQUESTED")
    found = [(one.user.login, one.state, one.commit_id == first) for one in repository.get_pull(number).get_reviews()]
    assert found == [("ada", "APPROVED", True), ("ada", "CHANGES_REQUESTED", False)]


def test_a_merge_group_holds_all_of_its_pull_requests(hub, clone):
    heads = [clone.push(name, **{name: "1"}) for name in ("one", "two")]
    numbers = [hub.open_pull_request(name, name) for name in ("one", "two")]
    branch, head = hub.merge_group(*numbers)
    clone.git("fetch", "--quiet", "origin", branch)
    assert clone.git("rev-parse", "FETCH_HEAD") == head
    for one in heads:
        clone.git("merge-base", "--is-ancestor", one, head)
    event = hub.merge_group_event(branch, head)
    assert event["merge_group"]["head_sha"] == head


# Issues, comments, checks


def test_a_comment_lives_and_ends(hub, repository):
    issue = repository.create_issue("talk", body="about it")
    comment = issue.create_comment("first")
    comment.edit("second")
    assert [found.body for found in issue.get_comments()] == ["second"]
    assert comment.create_reaction("eyes").content == "eyes"
    comment.create_reaction("eyes")
    assert hub.comments(issue.number)[0].contents == ["eyes"]
    refusal(422, comment.create_reaction, "shrug")
    comment.delete()
    assert hub.comments(issue.number) == []
    refusal(404, comment.edit, "third")


def test_issues_are_found_by_label_and_state(hub, clone, repository):
    clone.push("change", a="1")
    hub.open_pull_request("change", "A change")
    one = repository.create_issue("drift", labels=["gitune-drift"])
    repository.create_issue("other")
    assert [issue.number for issue in repository.get_issues(labels=["gitune-drift"], state="open")] == [one.number]
    one.edit(state="closed")
    assert list(repository.get_issues(labels=["gitune-drift"], state="open")) == []
    assert [issue.pull_request is not None for issue in repository.get_issues(state="open")] == [False, True]
    assert [issue.title for issue in hub.issues] == ["drift", "other"]


def test_a_check_belongs_to_its_app(hub, repository):
    sha = repository.get_branch("main").commit.sha
    app = connect(hub, hub.token({"checks": "write"}, app="gitune"))
    ours = app.create_check_run("gitune", sha, status="in_progress", output={"title": "t", "summary": "s"})
    theirs = repository.get_check_run(ours.id)
    assert (theirs.app.slug, theirs.conclusion) == ("gitune", None)
    assert "can only be modified by the GitHub App that created it" in refusal(403, theirs.edit, conclusion="success")
    ours.edit(status="completed", conclusion="failure", output={"title": "t", "summary": "no"})
    found = list(repository.get_commit(sha).get_check_runs(check_name="gitune"))
    assert [(run.conclusion, run.output.summary) for run in found] == [("failure", "no")]
    assert "authenticate via a GitHub App" in refusal(
        403, connect(hub, hub.token(user="bob")).create_check_run, "gitune", sha
    )
    refusal(422, app.create_check_run, "gitune", sha, status="completed")
    refusal(422, app.create_check_run, "gitune", "0" * 40)


def test_statuses_come_to_one(hub, repository):
    commit = repository.get_branch("main").commit
    commit.create_status("pending", context="a")
    commit.create_status("success", context="b")
    assert commit.get_combined_status().state == "pending"
    commit.create_status("success", context="a", description="fine")
    assert commit.get_combined_status().state == "success"
    refusal(422, commit.create_status, "success", description="x" * 141)


# What lies in git


def test_files_are_read_at_any_ref(hub, clone, repository):
    clone.push("change", a="1")
    assert repository.get_contents("README.md").decoded_content == b"hello\n"
    assert repository.get_contents("a", ref="change").decoded_content == b"1"
    refusal(404, repository.get_contents, "a")


def test_branches_tags_and_releases_are_real(hub, clone, repository):
    sha = repository.get_branch("main").commit.sha
    tag = repository.create_git_tag("bot/v1.0.0", "released", sha, "commit")
    repository.create_git_ref("refs/tags/bot/v1.0.0", tag.sha)
    refusal(422, repository.create_git_ref, "refs/tags/bot/v1.0.0", tag.sha)
    clone.git("fetch", "--quiet", "--tags")
    assert clone.git("rev-parse", "bot/v1.0.0^{commit}") == sha
    assert repository.get_git_ref("tags/bot/v1.0.0").object.type == "tag"
    release = repository.create_git_release("bot/v1.0.0", "bot 1.0.0", "notes")
    assert repository.get_release("bot/v1.0.0").body == "notes"
    refusal(422, repository.create_git_release, "bot/v1.0.0", "again", "notes")
    assert release.update_release("bot 1.0.0", "more").body == "more"
    assert [entry.body for entry in hub.releases] == ["more"]
    said = refusal(422, repository.create_git_release, "x", "x", "x" * 125_001)
    assert "maximum is 125000" in said


def test_a_branch_is_written_through_the_api(hub, clone, repository):
    from github import InputGitTreeElement

    head = repository.get_git_commit(repository.get_branch("main").commit.sha)
    blob = repository.create_git_blob("aGk=", "base64")
    element = InputGitTreeElement("registry.json.gz", "100644", "blob", sha=blob.sha)
    tree = repository.create_git_tree([element])
    commit = repository.create_git_commit("snapshot", tree, [])
    ref = repository.create_git_ref("refs/heads/gitune/registry", commit.sha)
    clone.git("fetch", "--quiet", "origin", "gitune/registry")
    assert clone.git("ls-tree", "--name-only", "FETCH_HEAD") == "registry.json.gz"
    assert clone.git("show", "FETCH_HEAD:registry.json.gz") == "hi"
    assert "fast forward" in refusal(422, ref.edit, head.sha)
    ref.edit(head.sha, force=True)
    ref.delete()
    refusal(404, repository.get_git_ref, "heads/gitune/registry")


def test_a_file_is_written_if_nobody_else_wrote_it(hub, repository):
    made = repository.create_file("a.txt", "write a", "one")["content"]
    refusal(409, repository.update_file, "a.txt", "again", "two", "0" * 40)
    repository.update_file("a.txt", "again", "two", made.sha)
    assert repository.get_contents("a.txt").decoded_content == b"two"


def test_two_commits_are_compared(hub, clone, repository):
    clone.push("change", a="1")
    found = repository.compare("main", "change")
    assert (found.status, found.ahead_by, found.behind_by) == ("ahead", 1, 0)
    assert [file.filename for file in found.files] == ["a"]


# Workflows


def test_a_dispatch_is_recorded(hub, clone, repository):
    refusal(404, repository.get_workflow, "retrain.yml")
    (clone.root / ".github/workflows").mkdir(parents=True)
    (clone.root / ".github/workflows/retrain.yml").write_text("on:\n  workflow_dispatch:\n    inputs: {number: {}}\n")
    clone.push("main")
    workflow = repository.get_workflow("retrain.yml")
    assert workflow.create_dispatch("main", {"number": "7"})
    assert [(one.workflow, one.ref, one.inputs) for one in hub.dispatches] == [("retrain.yml", "main", {"number": "7"})]
    assert not workflow.create_dispatch("main", {"surprise": "7"})


def test_runs_are_listed_and_told_as_events(hub, clone, repository):
    sha = clone.push("change", a="1")
    number = hub.open_pull_request("change", "A change")
    run = hub.run("plan.yml", event="pull_request", head_sha=sha, head_branch="change")
    other = hub.run("retrain.yml", event="workflow_run", head_sha="0" * 40, head_branch="main")
    assert [found.id for found in repository.get_workflow_runs(head_sha=sha)] == [run.id]
    assert hub.workflow_run_event(run)["action"] == "requested"
    run.status, run.conclusion = "completed", "success"
    event = hub.workflow_run_event(run)
    assert event["action"] == "completed"
    assert [pull["number"] for pull in event["workflow_run"]["pull_requests"]] == [number]
    assert hub.workflow_run_event(other)["workflow_run"]["pull_requests"] == []
    environ = hub.environ("workflow_run", event, "token")
    told = json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_text())
    assert told["workflow_run"]["head_sha"] == sha
