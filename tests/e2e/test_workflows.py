"""The workflows for real under act, with the real verbs: a proposal is trained into pr/1/, judged, published, deployed."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from act import Act, Run, install
from github_server import GitHubServer

pytestmark = pytest.mark.slow

# What the jobs of each workflow ask for, all of them together.
PERMISSIONS = {
    "plan": {"contents": "read"},
    "retrain": {"contents": "read", "pull-requests": "read"},
    "report": {"actions": "read", "checks": "write", "contents": "read", "pull-requests": "write"},
    "deploy": {"contents": "write", "pull-requests": "read"},
    "drift": {"contents": "read", "issues": "write"},
    "command": {"actions": "write", "contents": "read", "issues": "write", "pull-requests": "write"},
    "rollback": {"contents": "write", "pull-requests": "write"},
}


@dataclass
class Story:
    """A repository behind a hub, and the pull request that one test after the other brings further."""

    repository: Any
    hub: GitHubServer
    act: Act
    store: Path
    number: int

    @property
    def head(self) -> str:
        return self.hub.pull(self.number).head

    def run(self, workflow: str, event: str, payload: dict, **more) -> Run:
        return self.act.run(workflow, event, payload, self.hub.token(PERMISSIONS[workflow]), **more)

    def after(self, workflow: str, event: str, sha: str, branch: str, **more) -> dict:
        run = self.hub.run(f"{workflow}.yml", event=event, head_sha=sha, head_branch=branch, **more)
        return self.hub.workflow_run_event(run, "completed")

    def retrain(self) -> Run:
        return self.run("retrain", "workflow_run", self.after("plan", "pull_request", self.head, "change"))

    def records(self, prefix: str = "") -> set[str]:
        return {file.parent.parent.name for file in (self.store / prefix / "records").glob("*/*/*.json")}


@pytest.fixture(scope="module")
def story(make_repository, tmp_path_factory):
    repository, folder = make_repository("workflows"), tmp_path_factory.mktemp("hub")
    store, remote = folder / "store", folder / "app.git"
    repository.config = {"store": str(store)}
    install(repository.root)
    repository.commit("workflows")
    subprocess.run(["git", "clone", "--quiet", "--bare", str(repository.root), str(remote)], check=True)
    repository.git("remote", "add", "origin", str(remote))
    repository.git("checkout", "--quiet", "-b", "change")
    repository.spec["training"]["learning_rate"] = 0.003
    # A store of the proposal's own, which nobody shall read or write.
    repository.config = {"store": str(folder / "elsewhere")}
    repository.commit("faster")
    repository.git("push", "--quiet", "origin", "change")
    with GitHubServer(remote) as hub:
        act = Act(hub, remote, folder, GITUNE_CACHE=str(folder / "cache"))
        yield Story(repository, hub, act, store, hub.open_pull_request("change", "Learn faster", "ada"))


def test_it_is_planned_without_a_registry(story):
    run = story.run("plan", "pull_request", story.hub.pull_request_event(story.number))
    assert run.jobs() == {"plan": True}, run.output
    assert "train" in run.output
    assert not story.store.exists()


def test_a_proposal_is_trained_into_its_namespace(story):
    run = story.retrain()
    assert run.jobs() == {"what must run": True, "bot": True}, run.output
    made = {"prepare", "train", "predict_base", "predict_tuned", "score", "gate"}
    assert made <= story.records(f"pr/{story.number}")
    assert not story.records()
    assert not (story.store.parent / "elsewhere").exists()


def test_what_was_trained_starts_no_job_again(story):
    story.repository.config = {"store": str(story.store)}
    story.repository.commit("the store as it was")
    story.repository.git("push", "--quiet", "origin", "change")
    run = story.retrain()
    assert run.jobs() == {"what must run": True}, run.output


def test_it_is_judged_and_published_as_the_app(story):
    title = f"retrain {story.head}"
    event = story.after("retrain", "workflow_run", story.hub.git.commit("main"), "main", display_title=title)
    app = story.hub.token(PERMISSIONS["report"], app="gitune")
    run = story.run("report", "workflow_run", event, app_token=app)
    assert run.jobs() == {"report": True}, run.output
    (check,) = story.hub.checks(story.head)
    assert (check.name, check.app, check.conclusion) == ("gitune", "gitune", "success")
    assert len(story.hub.comments(story.number)) == 1
    assert not story.records()


def test_a_comment_has_it_trained_again_and_a_strangers_does_nothing(story):
    story.hub.people["ada"] = "admin"
    for login in ("mallory", "ada"):
        said = story.hub.comment(story.number, login, f"/gitune retrain bot@{story.head[:12]}")
        run = story.run("command", "issue_comment", story.hub.comment_event(said))
        assert run.jobs() == {"command": True}, run.output
        assert len(story.hub.dispatches) == (login == "ada")
    (asked,) = story.hub.dispatches
    assert (asked.workflow, asked.ref) == ("retrain.yml", "main")
    assert asked.inputs == {"number": str(story.number), "sha": story.head, "specs": "bot"}


def test_a_merge_deploys_without_training(story):
    before = story.hub.git.commit("main")
    story.hub.merge(story.number)
    run = story.run("deploy", "push", story.hub.push_event(before))
    assert run.jobs() == {"what must move": True, "deploy production": True}, run.output
    assert "bot train: REUSE" in run.output
    assert "train" in story.records()
    assert [release.tag_name for release in story.hub.releases] == ["bot/v1.0.0"]
    assert story.hub.git.commit("refs/tags/bot/v1.0.0")


def test_a_second_deployment_has_nothing_to_do(story):
    run = story.run("deploy", "push", story.hub.push_event(story.hub.git.commit("main")))
    assert run.jobs() == {"what must move": True}, run.output


def test_a_rollback_opens_the_pull_request_that_brings_the_version_before_back(story):
    story.repository.git("fetch", "--quiet", "origin")
    story.repository.git("checkout", "--quiet", "-B", "change", "origin/main")
    story.repository.spec["version"], story.repository.spec["training"]["learning_rate"] = "1.0.1", 0.004
    story.repository.commit("slower")
    story.repository.git("push", "--quiet", "--force", "origin", "change")
    story.number = story.hub.open_pull_request("change", "Learn slower", "ada")
    assert story.retrain().jobs() == {"what must run": True, "bot": True}
    before = story.hub.git.commit("main")
    story.hub.merge(story.number)
    run = story.run("deploy", "push", story.hub.push_event(before))
    assert "production is now 1.0.1 (was 1.0.0)" in run.output, run.output

    event = story.hub.dispatch_event("rollback.yml", spec="bot", to="", reason="it answers worse")
    app = story.hub.token(PERMISSIONS["rollback"], app="gitune")
    run = story.run("rollback", "workflow_dispatch", event, app_token=app)
    assert run.jobs() == {"roll back bot": True}, run.output
    opened = max(story.hub.pulls.values(), key=lambda pull: pull.number)
    assert opened.branch == "gitune/rollback-bot-1.0.0"
    before = story.hub.git.commit("main")
    story.hub.merge(opened.number)
    run = story.run("deploy", "push", story.hub.push_event(before))
    assert run.jobs() == {"what must move": True, "deploy production": True}, run.output
    assert "production is now 1.0.0 (was 1.0.1)" in run.output
    assert "bot train: RUN" not in run.output


def test_drift_opens_an_issue_once_an_artifact_is_gone(story):
    event = {"repository": {"default_branch": "main"}}
    run = story.run("drift", "schedule", event)
    assert run.jobs() == {"drift": True}, run.output
    assert not [issue for issue in story.hub.issues if "Drift" in issue.title]
    for adapter in {file.resolve() for file in (story.store / "blobs").glob("**/*") if holds_weights(file)}:
        adapter.unlink()
    run = story.run("drift", "schedule", event)
    assert run.jobs() == {"drift": True}, run.output
    (issue,) = [issue for issue in story.hub.issues if "Drift" in issue.title]
    assert "bot" in issue.body


def holds_weights(file: Path) -> bool:
    return file.is_file() and b"lora_A" in file.read_bytes()[:4096]
