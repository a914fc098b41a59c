"""`registry snapshot`, `plan --registry-snapshot` and `plan --matrix` as workflows use them."""

from __future__ import annotations

import json

import pytest
from repository import commit, committed_world, run

STORE = "registry/store"


@pytest.fixture
def world(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("GITUNE_NAMESPACE", raising=False)
    world = committed_world(tmp_path, monkeypatch)
    assert run(world, "apply", "--yes") == 0
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.1.0", 0.002
    commit(world, "change")
    capsys.readouterr()
    return world


def told(world, capsys, *arguments, code=0):
    assert run(world, "plan", *arguments) == code
    return capsys.readouterr()


def test_a_plan_needs_the_published_file_and_no_store(world, capsys):
    expected = json.loads(told(world, capsys, "--json").out)
    file = world.root / "out" / "registry.json.gz"
    assert run(world, "registry", "snapshot", "-o", str(file)) == 0
    assert f"wrote {file}: " in capsys.readouterr().out
    world.config = {"store": "s3://nobody.may.ask/store"}
    world.write()
    (world.root / STORE).rename(world.root / "gone")
    made = json.loads(told(world, capsys, "--registry-snapshot", str(file), "--json").out)
    assert [[step["action"] for step in spec["steps"]] for spec in made["specs"]] == [
        [step["action"] for step in spec["steps"]] for spec in expected["specs"]
    ]
    assert made["summary"] == expected["summary"]
    assert expected["summary"]["train"] == 1


def test_before_the_first_snapshot_everything_runs(world, capsys):
    shown = told(world, capsys, "--registry-snapshot", str(world.root / "none.json.gz"), "--json")
    assert "no snapshot was published yet" in shown.err
    assert json.loads(shown.out)["summary"]["reuse"] == 0


@pytest.mark.parametrize("other", [("--adopt", "pr/1"), ("--namespace", "pr/1")])
def test_a_snapshot_knows_nothing_of_pull_requests(world, capsys, other):
    assert "drop" in told(world, capsys, "--registry-snapshot", "x.json.gz", *other, code=64).err


def test_the_jobs_are_one_line_for_a_workflow(world, capsys):
    out = told(world, capsys, "--namespace", "pr/3", "--through", "evaluate", "--matrix").out
    assert out.count("\n") == 1
    (job,) = json.loads(out)["include"]
    assert job == {"spec": "bot", "profile": "default", "runs_on": ["ubuntu-latest"], "timeout_minutes": 360}
    assert run(world, "apply", "--yes", "--through", "evaluate", "--namespace", "pr/3") == 0
    capsys.readouterr()
    done = told(world, capsys, "--namespace", "pr/3", "--through", "evaluate", "--matrix").out
    assert json.loads(done) == {"include": []}
