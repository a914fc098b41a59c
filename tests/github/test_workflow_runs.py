"""The workflows under act, with a recorder in gitune's place: which verbs run, on which commit, with which secrets.

What the verbs do is tested elsewhere, and all of it together in tests/e2e.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

import pytest
from act import ACTIONS, Act, install
from github_server import GitHubServer

STORE = {"AWS_ACCESS_KEY_ID": "key-id", "AWS_SECRET_ACCESS_KEY": "key-secret"}
MATRIX = {"include": [{"spec": name, "profile": "default", "runs_on": "ubuntu-latest", "timeout_minutes": 5} for name in ("one", "two")]}  # fmt: skip
NOTHING = json.dumps({"include": []})


@dataclass
class Call:
    """One call of gitune."""

    at: str
    words: list[str]
    head: str
    environment: dict[str, str]


class Place:
    """A repository with our workflows behind a hub, and one open pull request."""

    def __init__(self, root, hub):
        self.root, self.hub = root, hub
        self.calls_file = root / "calls"
        self.answers = {}
        recorder = f"{ACTIONS}/gitune/recorder.py"
        self.act = Act(hub, root / "app.git", root, ACT_CALLS=str(self.calls_file), ACT_GITUNE=recorder)
        self.token = hub.token({"contents": "read"})

    def git(self, *arguments):
        identity = ["-c", "user.name=bob", "-c", "user.email=bob@example.invalid"]
        return subprocess.run(
            ["git", *identity, *arguments], cwd=self.root / "clone", check=True, capture_output=True, text=True
        ).stdout.strip()

    def push(self, branch, name="file", text="text"):
        self.git("checkout", "--quiet", "-B", branch, "origin/main")
        file = self.root / "clone" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", f"change {branch}")
        self.git("push", "--quiet", "origin", branch)
        return self.git("rev-parse", "HEAD")

    def run(self, workflow, event, payload, **more):
        self.act.variables["ACT_ANSWERS"] = json.dumps(self.answers)
        self.calls_file.write_text("")
        return self.act.run(workflow, event, payload, self.token, **{**STORE, **more})

    def calls(self):
        return [Call(**json.loads(line)) for line in self.calls_file.read_text().splitlines()]

    def follow(self, workflow, sha, branch="change", event="pull_request", **more):
        """The event that starts what follows a run."""
        made = self.hub.run(f"{workflow}.yml", event=event, head_sha=sha, head_branch=branch, **more)
        return self.hub.workflow_run_event(made, "completed")


@pytest.fixture
def place(tmp_path):
    remote = tmp_path / "app.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch", "main", str(remote)], check=True)
    subprocess.run(["git", "clone", "--quiet", str(remote), str(tmp_path / "clone")], check=True, capture_output=True)
    install(tmp_path / "clone")
    with GitHubServer(remote) as hub:
        made = Place(tmp_path, hub)
        made.git("checkout", "--quiet", "-b", "main")
        made.git("add", ".")
        made.git("commit", "--quiet", "--message", "first")
        made.git("push", "--quiet", "origin", "main")
        made.main = made.git("rev-parse", "HEAD")
        made.sha = made.push("change")
        made.number = hub.open_pull_request("change", "Change", "bob")
        yield made


def test_plan_reads_the_proposal_with_the_base_branchs_code_and_no_secret(place):
    place.answers = {"plan": {"prints": "# the plan"}}
    run = place.run("plan", "pull_request", place.hub.pull_request_event(place.number))
    assert run.code == 0, run.output
    (call,) = place.calls()
    assert (call.at, call.head) == ("change", place.sha)
    assert call.words[:3] == ["plan", "--base", "origin/main"]
    assert call.environment["GITUNE_CONFIG_FROM"] == "origin/main"
    assert not {"GITHUB_TOKEN", *STORE} & set(call.environment)
    assert "# the plan" in run.output


def test_plan_follows_a_fork_and_a_merge_group(place):
    sha = place.push("theirs")
    number = place.hub.open_pull_request("theirs", "From afar", "eve", fork=True)
    place.run("plan", "pull_request", place.hub.pull_request_event(number))
    assert [call.head for call in place.calls()] == [sha]
    branch, head = place.hub.merge_group(place.number)
    run = place.run("plan", "merge_group", place.hub.merge_group_event(branch, head))
    (call,) = place.calls()
    assert (call.head, call.words[2]) == (head, "origin/main"), run.output


def test_a_plan_that_finds_a_fault_fails_its_job(place):
    place.answers = {"plan": {"code": 1}}
    assert place.run("plan", "pull_request", place.hub.pull_request_event(place.number)).jobs() == {"plan": False}


def test_a_review_starts_a_run_that_plans_nothing(place):
    review = place.hub.review(place.number, "ada")
    run = place.run("plan", "pull_request_review", place.hub.review_event(place.number, review))
    assert (run.code, place.calls()) == (0, [])


def test_retrain_trains_each_spec_that_needs_it(place):
    place.answers = resolved(place) | {"plan": {"prints": json.dumps(MATRIX)}}
    run = place.run("retrain", "workflow_run", place.follow("plan", place.sha))
    assert run.code == 0, run.output
    resolve, plan, *trainings = place.calls()
    assert resolve.words == ["github", "resolve"]
    assert resolve.head == place.main
    assert not set(STORE) & set(resolve.environment)
    assert " ".join(plan.words) == "plan --base origin/main --namespace pr/1 --through evaluate --matrix --"
    apply = "apply --yes --through evaluate --namespace pr/1 --"
    assert sorted(" ".join(call.words) for call in trainings) == [f"{apply} one", f"{apply} two"]
    for call in (plan, *trainings):
        assert (call.at, call.head) == ("change", place.sha)
        assert call.environment["GITUNE_CONFIG_FROM"] == "origin/main"
        assert call.environment["AWS_SECRET_ACCESS_KEY"] == "key-secret"
        assert "GITHUB_TOKEN" not in call.environment


def resolved(place, **more):
    said = {"number": 1, "sha": place.sha, "base": "main", "base_sha": place.main, "trusted": "true", **more}
    return {"github resolve": {"outputs": said}}


@pytest.mark.parametrize(
    ("said", "matrix", "verbs"),
    [
        ({}, NOTHING, ["github", "plan"]),
        ({"trusted": "false"}, json.dumps(MATRIX), ["github"]),
        ({"base": "somebodys-branch"}, json.dumps(MATRIX), ["github"]),
        ({"number": "", "sha": "", "base": ""}, json.dumps(MATRIX), ["github"]),
    ],
    ids=["nothing to do", "a fork", "another base", "no pull request"],
)
def test_retrain_trains_nothing(place, said, matrix, verbs):
    place.answers = resolved(place, **said) | {"plan": {"prints": matrix}}
    run = place.run("retrain", "workflow_run", place.follow("plan", place.sha))
    assert (run.code, run.jobs()) == (0, {"what must run": True}), run.output
    assert [call.words[0] for call in place.calls()] == verbs


def test_retrain_does_not_even_look_at_a_fork_a_merge_group_or_a_cancelled_run(place):
    sha = place.push("theirs")
    place.hub.open_pull_request("theirs", "From afar", "eve", fork=True)
    fork = place.follow("plan", sha, "theirs")
    fork["workflow_run"]["head_repository"]["full_name"] = "eve/app"
    cancelled = place.follow("plan", place.sha)
    cancelled["workflow_run"]["conclusion"] = "cancelled"
    for payload in (fork, cancelled, place.follow("plan", place.sha, event="merge_group")):
        run = place.run("retrain", "workflow_run", payload)
        assert (run.code, run.jobs(), place.calls()) == (0, {}, [])


def test_a_person_who_names_the_commit_has_a_fork_trained(place):
    sha = place.push("theirs")
    number = place.hub.open_pull_request("theirs", "From afar", "eve", fork=True)
    place.answers = resolved(place, number=number, sha=sha) | {"plan": {"prints": json.dumps(MATRIX)}}
    payload = place.hub.dispatch_event("retrain.yml", number=str(number), sha=sha, specs="one two; rm -rf $HOME")
    run = place.run("retrain", "workflow_dispatch", payload)
    assert run.code == 0, run.output
    _, plan, *trainings = place.calls()
    assert plan.words[-6:] == ["--", "one", "two;", "rm", "-rf", "$HOME"]
    assert [call.head for call in trainings] == [sha, sha]


@pytest.mark.parametrize("app", ["", "app-token"])
def test_report_publishes_with_the_apps_token_where_there_is_an_app(place, app):
    run = place.run("report", "workflow_run", place.follow("plan", place.sha), app_token=app)
    assert run.code == 0, run.output
    (call,) = place.calls()
    assert (call.at, call.head, call.words) == ("base", place.main, ["github", "report"])
    assert call.environment["GITUNE_APP_TOKEN"] == app
    assert call.environment["GITHUB_TOKEN"] == place.token
    assert call.environment["GITHUB_API_URL"] == place.hub.url
    assert call.environment["GITHUB_EVENT_NAME"] == "workflow_run"


def test_deploy_moves_every_alias_in_a_job_of_its_own(place):
    aliases = {"include": [{"alias": "production"}, {"alias": "canary"}]}
    place.answers = {"github deployments": {"outputs": {"matrix": json.dumps(aliases)}}}
    run = place.run("deploy", "push", place.hub.push_event(place.main))
    assert run.code == 0, run.output
    first, *deploys = place.calls()
    assert first.words == ["github", "deployments"]
    wanted = [["github", "deploy", "--alias", name] for name in ("canary", "production")]
    assert sorted(call.words for call in deploys) == wanted
    place.answers["github deployments"]["outputs"]["matrix"] = json.dumps({"include": [{"alias": "production"}]})
    place.run("deploy", "workflow_dispatch", place.hub.dispatch_event("deploy.yml", train="true"))
    assert place.calls()[-1].words == ["github", "deploy", "--alias", "production", "--train"]
    place.answers["github deployments"]["outputs"]["matrix"] = NOTHING
    run = place.run("deploy", "push", place.hub.push_event(place.main))
    assert run.jobs() == {"what must move": True}
    assert [call.words[1] for call in place.calls()] == ["deployments"]


def test_drift_looks(place):
    run = place.run("drift", "schedule", {"repository": {"default_branch": "main"}})
    assert run.code == 0, run.output
    assert [call.words for call in place.calls()] == [["github", "drift"]]


def test_rollback_takes_what_a_person_typed_as_words(place):
    typed = {"spec": "bot", "to": "1.0.0", "reason": '"; touch /tmp/owned; $(id) `id`'}
    run = place.run("rollback", "workflow_dispatch", place.hub.dispatch_event("rollback.yml", **typed), app_token="a")
    assert run.code == 0, run.output
    (call,) = place.calls()
    assert call.words == ["rollback", "--to", "1.0.0", "--reason", typed["reason"], "--open", "--", "bot"]
    assert call.environment["GITUNE_APP_TOKEN"] == "a"
    place.run("rollback", "workflow_dispatch", place.hub.dispatch_event("rollback.yml", spec="bot", to="", reason="r"))
    assert place.calls()[0].words == ["rollback", "--reason", "r", "--open", "--", "bot"]


def test_only_comments_that_speak_to_us_start_a_command(place):
    spoken = place.hub.comment(place.number, "ada", "/gitune plan")
    other = place.hub.comment(place.number, "ada", "looks good")
    run = place.run("command", "issue_comment", place.hub.comment_event(spoken))
    assert run.code == 0, run.output
    assert [call.words for call in place.calls()] == [["github", "command"]]
    assert place.run("command", "issue_comment", place.hub.comment_event(other)).jobs() == {}
