"""retrain.yml and report.yml for real under act: a proposal's tree as data, trained into pr/1/, judged, published."""

from __future__ import annotations

import subprocess

import pytest
from act import Act, install
from github_server import GitHubServer

pytestmark = pytest.mark.slow

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
        run = act.run("retrain", "workflow_run", event, hub.token({"contents": "read", "pull-requests": "read"}))
        assert run.jobs() == {"what must run": True, "bot": True}, run.output
        assert {"prepare", "train", "predict_base", "predict_tuned", "score", "gate"} <= records(store, f"pr/{number}")
        assert not records(store)
        assert not (tmp_path / "elsewhere").exists()

        event = after(hub, "retrain", "workflow_run", hub.git.commit("main"), "main", display_title=f"retrain {head}")
        run = act.run("report", "workflow_run", event, hub.token(REPORT), app_token=hub.token(REPORT, app="gitune"))
        assert run.jobs() == {"report": True}, run.output
        (check,) = hub.checks(head)
        assert (check.name, check.app, check.conclusion) == ("gitune", "gitune", "success"), check
        (comment,) = hub.comments(number)
        assert "exact_match" in comment.body
        assert not records(store)

        # Nothing is left to train, and so no job starts.
        event = after(hub, "plan", "pull_request", head, "change")
        run = act.run("retrain", "workflow_run", event, hub.token({"contents": "read", "pull-requests": "read"}))
        assert run.jobs() == {"what must run": True}, run.output


def after(hub, workflow, event, sha, branch, **more):
    run = hub.run(f"{workflow}.yml", event=event, head_sha=sha, head_branch=branch, **more)
    return hub.workflow_run_event(run, "completed")
