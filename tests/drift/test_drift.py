"""Every kind of drift from a real cause, and that what only waits for its apply is none."""

from __future__ import annotations

import dataclasses
import json
import shutil
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from releases import blobs_of, flip, release, signed_world
from repository import commit, git, run

from runner.cli.drifting import look_at
from runner.cli.project import open_project
from runner.drift.find import find_drift


@pytest.fixture
def world(tmp_path, monkeypatch, capsys):
    world = signed_world(tmp_path, monkeypatch)
    for version in ("1.0.0", "1.1.0"):
        release(world, version)
    capsys.readouterr()
    return world


def drifts(world, *, later=timedelta(0), **options):
    look = look_at(open_project(world.root))
    return find_drift(dataclasses.replace(look, now=datetime.now(UTC) + later), **options)


def codes(world, **options):
    return [(drift.code, drift.where) for drift in drifts(world, **options)]


def ask(world, version, rate):
    world.spec["version"], world.spec["training"]["learning_rate"] = version, rate
    return commit(world, version)


def test_all_is_well(world):
    assert drifts(world, full=True) == []


def test_a_commit_that_waits_for_its_apply_is_none_for_a_day(world):
    ask(world, "1.2.0", 0.003)
    assert drifts(world) == []
    (drift,) = drifts(world, later=timedelta(days=2))
    assert (drift.code, drift.where) == ("pointer", "bot/production")
    assert "spec asks for 1.2.0, live is 1.1.0; commit" in drift.what
    assert "still waits for its apply" in drift.what


def test_on_a_branch_specs_are_a_proposal(world):
    git(world, "checkout", "--quiet", "-b", "topic")
    ask(world, "1.2.0", 0.003)
    assert drifts(world, later=timedelta(days=2)) == []


def test_what_gates_or_a_hold_keep_back_does_not_only_wait(world):
    ask(world, "1.2.0", 0.5)
    assert run(world, "apply", "--yes") == 3
    (drift,) = drifts(world)
    assert drift.code == "pointer"
    assert "an apply cannot change that: deploy: its gates say FAIL" in drift.what


def test_a_pointer_that_was_moved_from_an_older_commit(world):
    head = git(world, "rev-parse", "HEAD")
    git(world, "checkout", "--quiet", "-B", "main", "HEAD~1")
    assert run(world, "apply", "--yes", "--force-older") == 0
    git(world, "checkout", "--quiet", "-B", "main", head)
    (drift,) = drifts(world)
    assert drift.code == "pointer"
    assert "entry 2 had deployed 1.1.0, entry 3 moved it away" in drift.what


def test_live_and_held(world):
    run(world, "gate", "hold", "bot", "--version", "1.1.0", "--reason", "bad", "--by", "Ada")
    (drift,) = drifts(world)
    assert drift.code == "held_but_live"
    assert "1.1.0 is live, but 1.1.0 is on hold by Ada" in drift.what
    assert "gitune rollback bot" in drift.remedy


@pytest.mark.parametrize("version", ["1.1.0", "1.0.0"])
def test_lost_weights_of_what_is_live_and_of_its_champion(world, version):
    for file in blobs_of(world, version):
        file.unlink()
    shutil.rmtree(world.root / "cache")
    assert ("missing_artifact", "bot/production") in codes(world)
    assert any(drift.what.startswith(f"weights of {version} (sha256 ") for drift in drifts(world))


def test_lost_evidence(world):
    (record,) = (one for one in world.registry.records("score") if one.version == "1.1.0")
    digest = record.outputs["scores"].digest
    (world.root / "registry/store/blobs/sha256" / digest[:2] / digest[2:]).unlink()
    found = [drift.what for drift in drifts(world)]
    assert found == ["scores of score, which 1.1.0 was released with, is missing"]


def test_damage_is_found_by_reading_everything(world):
    file = blobs_of(world, "1.1.0")[0]
    flip(file)
    assert drifts(world) == []
    found = drifts(world, full=True)
    assert [drift.code for drift in found] == ["damaged"]
    assert file.name in found[0].what


def test_a_gap_in_the_log_and_an_edited_entry(world):
    folder = world.root / "registry/store/deployments/bot/production"
    entry = folder / "00000001.json"
    text = entry.read_text()
    entry.chmod(0o644)
    entry.write_text(text.replace('"server"', '"docker"'))
    assert ("broken_chain", "bot/production") in codes(world)
    entry.unlink()
    assert any("entry 1 is missing from the log" in drift.what for drift in drifts(world))


def test_a_base_model_that_is_lost_or_another_one(world):
    world.base = "other weights"
    world.write_base()
    (drift,) = (one for one in drifts(world) if one.code == "lost_base_model" and "1.1.0" in one.what)
    assert "file://base has other bytes than 1.1.0 was released with" in drift.what


def test_status_tells_it_and_says_so_by_its_exit_code(world, capsys):
    assert run(world, "status", "--detailed-exitcode") == 0
    assert "Drift" not in capsys.readouterr().out
    run(world, "gate", "hold", "bot", "--version", "1.1.0", "--reason", "bad", "--by", "Ada")
    capsys.readouterr()
    assert run(world, "status") == 0
    assert "\nDrift: 1 finding\n! bot/production  held_but_live: 1.1.0 is live, but" in capsys.readouterr().out
    assert run(world, "status", "--json", "--detailed-exitcode") == 2
    (drift,) = json.loads(capsys.readouterr().out)["drift"]
    assert (drift["code"], drift["name"], drift["alias"]) == ("held_but_live", "bot", "production")


def test_a_shared_store_holds_other_names(world):
    """What another repository deployed is none of ours."""
    other = world.root / "registry/store/deployments/stranger/production"
    other.mkdir(parents=True)
    entry = json.loads((world.root / "registry/store/deployments/bot/production/00000001.json").read_text())
    (other / "00000001.json").write_text(json.dumps(entry | {"name": "stranger"}))
    assert drifts(world) == []


def test_what_no_spec_asks_for_is_looked_at_too(world):
    (world.root / "specs/other").mkdir()
    spec = world.spec | {"name": "other", "version": "9.0.0"}
    shutil.copytree(world.root / "specs/bot", world.root / "specs/other", dirs_exist_ok=True)
    (world.root / "specs/other/spec.yaml").write_text(yaml.safe_dump(spec))
    git(world, "rm", "-r", "--quiet", "specs/bot")
    git(world, "add", ".")
    git(world, "commit", "--quiet", "-m", "bot goes")
    for file in blobs_of(world, "1.1.0"):
        file.unlink()
    assert ("missing_artifact", "bot/production") in codes(world)
    assert ("pointer", "bot/production") in codes(world, later=timedelta(days=2))
