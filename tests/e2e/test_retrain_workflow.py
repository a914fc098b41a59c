"""retrain.yml trains for real under act: the proposal's tree as data, the base branch's code and store, into pr/1/."""

from __future__ import annotations

import json
import subprocess

import pytest
from act import ACTIONS, Act, install
from github_server import GitHubServer

pytestmark = pytest.mark.slow

MATRIX = {"include": [{"spec": "bot", "profile": "default", "runs_on": "ubuntu-latest", "timeout_minutes": 5}]}


def records(store, prefix=""):
    return {file.parent.parent.name for file in (store / prefix / "records").glob("*/*/*.json")}


def test_a_proposals_spec_is_trained_into_its_namespace(make_repository, tmp_path):
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
        resolved = {"number": number, "sha": head, "base": "main", "trusted": "true"}
        answers = {
            "github resolve": {"outputs": resolved},
            "plan": {"prints": json.dumps(MATRIX)},
            "apply": None,
        }
        act = Act(
            hub,
            remote,
            tmp_path,
            ACT_GITUNE=f"{ACTIONS}/gitune/recorder.py",
            ACT_CALLS=str(tmp_path / "calls"),
            ACT_ANSWERS=json.dumps(answers),
            GITUNE_CACHE=str(tmp_path / "cache"),
        )
        planned = hub.run("plan.yml", event="pull_request", head_sha=head, head_branch="change")
        event = hub.workflow_run_event(planned, "completed")
        run = act.run("retrain", "workflow_run", event, hub.token({"contents": "read"}))
    assert run.jobs() == {"what must run": True, "bot": True}, run.output
    assert {"prepare", "train", "predict_base", "predict_tuned", "score", "gate"} <= records(store, f"pr/{number}")
    assert not records(store)
    assert not (tmp_path / "elsewhere").exists()
