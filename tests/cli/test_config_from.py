"""GITUNE_CONFIG_FROM: what a pull request changes in registry/config.yaml does not count for its own run."""

from __future__ import annotations

import subprocess

import pytest
from repository import commit, committed_world, run

FLOOR = "policy:\n  floors:\n    - {metric: exact_match, beats: base, by: {points: 90}}\n"


@pytest.fixture
def world(tmp_path, monkeypatch):
    world = committed_world(tmp_path, monkeypatch)
    (world.root / "registry").mkdir(exist_ok=True)
    (world.root / "registry/config.yaml").write_text(FLOOR)
    commit(world, "floors")
    subprocess.run(["git", "branch", "base"], cwd=world.root, check=True)
    (world.root / "registry/config.yaml").write_text("store: elsewhere\n")
    commit(world, "a pull request without floors, and with a store of its own")
    return world


def test_the_base_branch_decides(world, monkeypatch, capsys):
    assert run(world, "validate") == 0
    capsys.readouterr()
    monkeypatch.setenv("GITUNE_CONFIG_FROM", "base")
    assert run(world, "validate") != 0
    assert "asks for `exact_match beats base by 90 points`" in capsys.readouterr().err
    assert run(world, "registry", "ls") == 0
    assert "elsewhere" not in capsys.readouterr().out


def test_a_branch_without_the_file_has_defaults(world, monkeypatch, capsys):
    monkeypatch.setenv("GITUNE_CONFIG_FROM", "base~1")
    assert run(world, "registry", "ls") == 0
    assert "elsewhere" not in capsys.readouterr().out


def test_a_mistake_there_is_told_with_its_place(world, monkeypatch, capsys):
    (world.root / "registry/config.yaml").write_text("store: s3:bucket\n")
    commit(world, "wrong")
    subprocess.run(["git", "branch", "wrong"], cwd=world.root, check=True)
    (world.root / "registry/config.yaml").write_text("")
    monkeypatch.setenv("GITUNE_CONFIG_FROM", "wrong")
    assert run(world, "plan") == 5
    assert "wrong:registry/config.yaml:1:" in capsys.readouterr().err


def test_an_unknown_branch_is_an_error(world, monkeypatch, capsys):
    monkeypatch.setenv("GITUNE_CONFIG_FROM", "origin/main")
    assert run(world, "plan") != 0
    assert "GITUNE_CONFIG_FROM names origin/main, and there is no such commit here" in capsys.readouterr().err
