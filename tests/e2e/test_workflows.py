"""retrain.yml and report.yml for real under act: a proposal's tree as data, trained into pr/1/, judged, published."""

from __future__ import annotations

import subprocess

import pytest
from act import Act, install
from github_server import GitHubServer

pytestmark = pytest.mark.slow

RETRAIN = {"contents": "read", "pull-requests": "read"}
DEPLOY = {"contents": "write", "pull-requests": "read"}
REPORT = {"actions": "read", "checks": "write", "contents": "read", "pull-requests": "write"}


def records(store, prefix=""):
    return {file.parent.parent.name for file in (store / prefix / "records").glob("*/*/*.json")}


def test_a_proposal_is_trained_into_its_namespace_judged_and_published(make_repository, tmp_path):
    repository = make_repository("retrain")
    store, remote = tmp_path / "store", tmp_path / "app.git"
    repository.config = {"store": str(store)}
    install(repository.root)
    repository.commit("workflows")
    subprocess.run(["git", "clone", "--quiet", "--bare", str(repository.root), str(remote)], check=True)
    repository.git("remote", "add", "origin", str(remote))

    # The proposal has a learning rate of its own, and a store that nobody shall write to.
    repository.git("checkout", "--quiet", "-b", "change")
    repository.spec["training"]["learning_rate"] = 0.003
    repository.config = {"store": str(tmp_path / "elsewhere")}
    repository.commit("faster")
    repository.git("push", "--quiet", "origin", "change")
    with GitHubServer(remote) as hub:
        number = hub.open_pull_request("change", "Learn faster", "ada")
        head = hub.pull(number).head
        act = Act(hub, remote, tmp_path, GITUNE_CACHE=str(tmp_path / "cache"))

        event = after(hub, "plan", "pull_request", head, "change")
        run = act.run("retrain", "workflow_run", event, hub.token(RETRAIN))
        assert run.jobs() == {"what must run": True, "bot": True}, run.output
        assert {"prepare", "train", "predict_base", "predict_tuned", "score", "gate"} <= records(store, f"pr/{number}")
        assert not records(store)
        assert not (tmp_path / "elsewhere").exists()

        # Without the store of its own; what was trained is there, and so no job starts.
        repository.config = {"store": str(store)}
        repository.commit("as it was")
        repository.git("push", "--quiet", "origin", "change")
        event = after(hub, "plan", "pull_request", hub.pull(number).head, "change")
        run = act.run("retrain", "workflow_run", event, hub.token(RETRAIN))
        assert run.jobs() == {"what must run": True}, run.output

        before = hub.git.commit("main")
        hub.merge(number)
        run = act.run("deploy", "push", hub.push_event(before), hub.token(DEPLOY))
        assert run.jobs() == {"what must move": True, "deploy production": True}, run.output
        assert "train" in records(store)
        assert "bot train: REUSE" in run.output
        assert [release.tag_name for release in hub.releases] == ["bot/v1.0.0"]
        assert hub.git.commit("refs/tags/bot/v1.0.0")

        # The second time nothing is left to do.
        run = act.run("deploy", "push", hub.push_event(before), hub.token(DEPLOY))
        assert run.jobs() == {"what must move": True}, run.output


def after(hub, workflow, event, sha, branch, **more):
    run = hub.run(f"{workflow}.yml", event=event, head_sha=sha, head_branch=branch, **more)
    return hub.workflow_run_event(run, "completed")
