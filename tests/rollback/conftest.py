"""A committed world with three released versions, whose models are loaded by the fakes."""

from __future__ import annotations

import pytest
from repository import commit, committed_world, git, run


@pytest.fixture
def world(tmp_path, monkeypatch):
    for name in ("GITHUB_ACTOR", "GITUNE_NAMESPACE", "GITHUB_TOKEN", "GITUNE_APP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    world = committed_world(tmp_path / "here", monkeypatch)
    git(world, "config", "user.name", "T")
    git(world, "config", "user.email", "t@example.invalid")
    monkeypatch.setattr("runner.rollback.verify.run_apart", lambda work, report, *_: work(report))
    return world


@pytest.fixture
def released(world, capsys):
    """Versions 1.0.0, 1.1.0 and 1.2.0 released one after another; each has files of its own."""
    assert run(world, "apply", "--yes") == 0
    for number in (1, 2):
        release(world, f"1.{number}.0")
    capsys.readouterr()
    return world


def release(world, version):
    world.spec["version"] = version
    number = int(version.split(".")[1])
    world.spec["training"]["learning_rate"] = (number + 1) / 1000
    world.files[f"data/new{number}.jsonl"] = [200 + number]
    made = commit(world, version)
    assert run(world, "apply", "--yes") == 0
    return made
