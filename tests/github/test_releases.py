"""Tags, the snapshot's branch, and which of several pull requests a commit speaks for; against GitHub on loopback."""

from __future__ import annotations

import gzip

import pytest
from click.testing import CliRunner
from github_server import GitHubServer
from releases import release, signed_world
from repository import git

from runner.cli.github_resolve import resolve
from runner.github.connection import connect
from runner.github.releases import publish
from runner.github.snapshot_branch import BRANCH, publish_snapshot

MAY = {"contents": "write", "pull_requests": "read"}


@pytest.fixture
def world(tmp_path, monkeypatch, capsys):
    world = signed_world(tmp_path / "here", monkeypatch)
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        release(world, version)
    git(world, "clone", "--quiet", "--bare", str(world.root), str(tmp_path / "hub.git"))
    capsys.readouterr()
    return world


@pytest.fixture
def hub(world):
    with GitHubServer(world.root.parent / "hub.git") as server:
        yield server


def opened(hub, name="push", payload=None):
    return hub.environ(name, payload or {}, hub.token(MAY))


def test_only_tags_that_matter_are_asked_for_their_commit(world, hub):
    """A repository with a thousand releases has a thousand annotated tags, and GitHub answers so many times an hour."""
    repository = connect(opened(hub)).repository
    versions = [world.registry.version("bot", number) for number in ("1.0.0", "1.1.0", "1.2.0")]
    assert len(publish(repository, versions, lambda _: "notes").made) == 3
    before = len(hub.requests)
    assert publish(repository, versions[-1:], lambda _: "notes").made == []
    asked = [str(request) for request in hub.requests[before:]]
    assert len([request for request in asked if "/git/tags/" in request]) == 1, asked


def test_a_snapshot_that_somebody_damaged_is_replaced(world, hub):
    repository = connect(opened(hub)).repository
    good = gzip.compress(b"when\nfacts\n")
    assert publish_snapshot(repository, good)
    assert not publish_snapshot(repository, good)
    assert publish_snapshot(repository, good[:10] + b"\xff" * 40)
    assert publish_snapshot(repository, good)
    assert repository.get_branch(BRANCH).commit.sha


def test_a_fork_with_the_same_head_does_not_stand_in_the_way(world, hub, tmp_path, monkeypatch):
    git(world, "switch", "--quiet", "--create", "change")
    git(world, "commit", "--quiet", "--allow-empty", "--message", "mine")
    git(world, "push", "--quiet", str(tmp_path / "hub.git"), "HEAD:change", "HEAD:copied")
    mine = hub.open_pull_request("change", "Mine", "bob")
    hub.open_pull_request("copied", "The same", "mallory", fork=True)
    sha = connect(opened(hub)).repository.get_pull(mine).head.sha
    run = {"path": ".github/workflows/plan.yml", "event": "pull_request", "head_sha": sha, "head_branch": "change"}
    output = tmp_path / "output"
    environ = opened(hub, "workflow_run", {"action": "completed", "workflow_run": run}) | {"GITHUB_OUTPUT": str(output)}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    done = CliRunner().invoke(resolve, [], catch_exceptions=False)
    assert f"number={mine}\n" in done.output
    assert "trusted=true" in done.output
