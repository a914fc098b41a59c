"""`gitune rollback --open`: the branch is pushed and the pull request opened, once, by whoever we are."""

from __future__ import annotations

import subprocess

import pytest
from github_server import GitHubServer
from releases import release, signed_world
from repository import git, run

BRANCH = "gitune/rollback-bot-1.0.0"
WRITES = {"contents": "write", "pull-requests": "write"}


@pytest.fixture
def world(tmp_path, monkeypatch, capsys):
    world = signed_world(tmp_path / "here", monkeypatch)
    for version in ("1.0.0", "1.1.0"):
        release(world, version)
    git(world, "init", "--quiet", "--bare", "--initial-branch", "main", str(tmp_path / "hub.git"))
    git(world, "remote", "add", "origin", str(tmp_path / "hub.git"))
    git(world, "push", "--quiet", "origin", "main")
    capsys.readouterr()
    return world


@pytest.fixture
def hub(world):
    with GitHubServer(world.root.parent / "hub.git") as server:
        yield server


def open_it(world, hub, monkeypatch, capsys, *, app=True, code=0, permissions=WRITES):
    token = hub.token({} if app else permissions)
    app_token = hub.token(permissions, app="gitune-bot") if app else ""
    environ = hub.environ("workflow_dispatch", {"inputs": {}}, token, app_token)
    environ |= {"GITUNE_APP_SLUG": "gitune-bot"} if app else {}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    capsys.readouterr()
    assert run(world, "rollback", "bot", "--reason", "<b>bad</b> @everyone", "--open") == code
    return capsys.readouterr()


def test_the_app_opens_it_once(world, hub, monkeypatch, capsys):
    shown = open_it(world, hub, monkeypatch, capsys)
    assert f"{hub.url}/org/app/pull/1" in shown.out
    assert "starts no checks" not in shown.err
    (pull,) = hub.pulls.values()
    issue = hub.issues_by_number[pull.number]
    assert (pull.branch, pull.base, issue.title) == (BRANCH, "main", "Roll back bot to 1.0.0, from 1.1.0")
    assert issue.login == "gitune-bot[bot]"
    assert "<b>" not in issue.body
    assert "@everyone" not in issue.body
    assert "train steps: 0; deploy: 1.1.0 → 1.0.0" in issue.body
    assert "gitune release --unhold bot@1.1.0" in issue.body
    assert git(world, "ls-remote", "origin", f"refs/heads/{BRANCH}").split()[0] == pull.head
    open_it(world, hub, monkeypatch, capsys)
    assert len(hub.pulls) == 1
    assert len(world.registry.rulings("bot")) == 1


def test_merged_it_deploys_the_old_version(world, hub, monkeypatch, capsys):
    open_it(world, hub, monkeypatch, capsys)
    hub.merge(1)
    git(world, "pull", "--quiet", "--ff-only", "origin", "main")
    assert run(world, "apply", "--yes") == 0
    assert world.registry.live("bot", "production").version == "1.0.0"


def test_a_job_s_own_token_is_warned_of(world, hub, monkeypatch, capsys):
    hub.actions_may_open_pull_requests = True
    assert "GitHub starts no checks" in open_it(world, hub, monkeypatch, capsys, app=False).err
    assert len(hub.pulls) == 1


def test_a_refusal_is_told_and_the_next_run_goes_on(world, hub, monkeypatch, capsys):
    err = open_it(world, hub, monkeypatch, capsys, app=False, code=1).err
    assert f"opening the pull request of {BRANCH}: GitHub answered 403" in err
    hub.actions_may_open_pull_requests = True
    open_it(world, hub, monkeypatch, capsys, app=False)
    assert len(hub.pulls) == 1


def test_what_is_on_main_by_now_is_fetched_first(world, hub, monkeypatch, capsys, tmp_path):
    subprocess.run(["git", "clone", "--quiet", str(tmp_path / "hub.git"), str(tmp_path / "other")], check=True)
    identity = ["-c", "user.name=B", "-c", "user.email=b@example.invalid"]
    for arguments in (["commit", "--quiet", "--allow-empty", "-m", "later"], ["push", "--quiet", "origin", "main"]):
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path / "other", check=True)
    open_it(world, hub, monkeypatch, capsys)
    tip = git(world, "ls-remote", "origin", "refs/heads/main").split()[0]
    assert git(world, "rev-parse", f"{BRANCH}^") == tip


def test_a_pushed_branch_of_somebody_else_is_left_alone(world, hub, monkeypatch, capsys):
    git(world, "push", "--quiet", "origin", f"main:refs/heads/{BRANCH}")
    err = open_it(world, hub, monkeypatch, capsys, code=1).err
    assert "a commit of somebody else" in err
    assert hub.pulls == {}


def test_without_a_token_nothing_is_verified_or_held(world, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "org/app")
    assert run(world, "rollback", "bot", "--open") == 64
    assert "there is no token" in capsys.readouterr().err
    assert world.registry.rulings("bot") == []
