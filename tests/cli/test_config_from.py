"""GITUNE_CONFIG_FROM: what a pull request changes in registry/config.yaml does not count for its own run."""

from __future__ import annotations

import json
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
    assert run(world, "plan") != 0
    assert "wrong:registry/config.yaml:1:" in capsys.readouterr().err


def test_an_unknown_branch_is_an_error(world, monkeypatch, capsys):
    monkeypatch.setenv("GITUNE_CONFIG_FROM", "origin/main")
    assert run(world, "plan") != 0
    assert "there is no commit origin/main here to read registry/config.yaml from" in capsys.readouterr().err


def test_a_key_that_is_not_set_stops_an_apply_before_it_trains(world, monkeypatch, capsys):
    monkeypatch.delenv("TEST_JUDGE_KEY", raising=False)
    endpoint = {"name": "big", "url": "http://127.0.0.1:9/v1", "model": "m", "api_key_env": "TEST_JUDGE_KEY"}
    (world.root / "registry/config.yaml").write_text(json.dumps({"endpoints": [endpoint]}))
    (world.root / "specs/bot/rubric.md").write_text("Is it polite?")
    evaluation = world.spec["evaluation"]
    evaluation["custom_metrics"] = [{"name": "polite", "judge": "big", "rubric": "rubric.md"}]
    evaluation["metrics"].append("polite")
    commit(world, "a judge")
    assert run(world, "plan") == 0
    assert run(world, "apply", "--yes") == 1
    said = capsys.readouterr().err
    assert "bot: endpoint big needs $TEST_JUDGE_KEY, which is not set" in said
    assert not list(world.registry.records("prepare"))
    assert run(world, "apply", "--yes", "--through", "train") == 0
