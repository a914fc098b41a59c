"""The proof of a free revert, where a pointer may move, and whose fault is told: by plan and apply alike."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path

import pytest
import yaml
from world import World, fake_weights

from runner.reconcile import apply_plan
from runner.report.text import render_plan

NO_WORSE = {"metric": "exact_match", "not_worse_than": "champion", "margin": {"points": 10}}


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    return World(tmp_path)


def ask(world, version, rate, alias="production"):
    world.spec |= {"version": version, "deployment": {"alias": alias}}
    world.spec["training"]["learning_rate"] = rate


def release(world, *versions):
    """Release versions one after another, each from its own training, under an alias (`version@alias`)."""
    for number, asked in enumerate(versions, start=1):
        version, _, alias = asked.partition("@")
        ask(world, version, number / 1000, alias or "production")
        assert world.apply()[1].exit_code == 0


def step(plan, name):
    return plan.specs[0].step(name)


def blobs_of(world, version):
    """Return the files in the store that an adapter is made of."""
    adapter = world.registry.version("bot", version).content.adapter
    folder = world.registry.fetch(adapter)
    digests = [world.registry.put_file(file).digest for file in folder.iterdir()]
    return [world.root / "registry/store/blobs/sha256" / digest[:2] / digest[2:] for digest in digests]


def test_a_revert_proves_that_it_is_free(world):
    release(world, "1.0.0", "1.1.0")
    ask(world, "1.0.0", 0.001)
    plan = world.plan()
    *before, moved = plan.specs[0].steps
    assert {found.action for found in before} == {"REUSE", "NONE"}
    assert all(found.key for found in before if found.action == "REUSE")
    digest = world.registry.version("bot", "1.0.0").content.adapter.digest
    assert moved.reason == f"1.1.0 → 1.0.0 (already released, only the pointer moves; verified sha256:{digest[:12]})"
    assert (plan.summary["run"], plan.summary["train"]) == (1, 0)
    assert "0 blocked, train steps: 0." in render_plan(plan, color=False)
    (outcome,) = apply_plan(plan, world.subjects(), world.reconciler())
    assert outcome.ran == ["deploy"]


def flip(file):
    file.chmod(0o644)
    data = file.read_bytes()
    file.write_bytes(bytes([data[0] ^ 1]) + data[1:])


def forget(file):
    file.unlink()
    shutil.rmtree(file.parents[5] / "cache/trees")


LOSSES = [(Path.unlink, "is in the local cache only"), (forget, "is missing"), (flip, "is damaged")]


@pytest.mark.parametrize(("harm", "words"), LOSSES)
def test_bytes_that_a_revert_needs_are_verified_by_the_plan(world, harm, words):
    release(world, "1.0.0", "1.1.0")
    (blob, *_) = blobs_of(world, "1.0.0")
    world = reopened(world)
    harm(blob)
    ask(world, "1.0.0", 0.001)
    plan, outcome = world.apply()
    blocked = [found for found in plan.specs[0].steps if found.fault]
    assert len(blocked) == 1
    assert blocked[0].reason.startswith("1.0.0 is released but its artifacts are lost: ")
    assert words in blocked[0].reason
    assert "restore them from a copy of the store" in blocked[0].reason
    assert step(plan, "deploy").action == "BLOCKED"
    assert plan.faulty
    assert (outcome.ran, outcome.exit_code) == ([], 1)
    assert world.registry.live("bot", "production").version == "1.1.0"


def reopened(world: World) -> World:
    """Return the same repository as another process finds it, without what this one has verified."""
    again = World(world.root)
    again.spec = world.spec
    return again


def test_another_training_of_the_same_key_is_not_passed_off_as_the_release(world):
    release(world, "1.0.0")
    (made,) = world.registry.records("train")
    other = world.registry.put_bytes(b"{}")
    outputs = {name: other if name == "adapter" else artifact for name, artifact in made.outputs.items()}
    world.registry.add_record(made.model_copy(update={"outputs": outputs}))
    plan = world.plan()
    assert plan.idle
    assert step(plan, "predict_tuned").action == "REUSE"


def test_a_lost_curve_does_not_hold_up_a_rollback(world):
    release(world, "1.0.0", "1.1.0")
    key = world.registry.version("bot", "1.0.0").content.train_key
    digest = world.registry.record("train", key).outputs["curve"].digest
    (world.root / "registry/store/blobs/sha256" / digest[:2] / digest[2:]).unlink()
    ask(world, "1.0.0", 0.001)
    plan, outcome = world.apply()
    assert step(plan, "train").action == "REUSE"
    assert (outcome.ran, outcome.exit_code) == (["deploy"], 0)


@pytest.mark.parametrize("lost", ["score", "train", "version"])
def test_an_apply_of_a_revert_does_nothing_else(world, lost):
    release(world, "1.0.0", "1.1.0")
    ask(world, "1.0.0", 0.001)
    plan = world.plan()
    assert plan.summary["train"] == 0
    keys = world.registry.version("bot", "1.0.0").keys
    if lost == "version":
        (world.root / "registry/store/versions/bot/1.0.0.json").unlink()
        shutil.rmtree(world.root / f"registry/store/records/train/{keys['train']}")
    else:
        shutil.rmtree(world.root / f"registry/store/records/{lost}/{keys[lost]}")
    (outcome,) = apply_plan(plan, world.subjects(), reopened(world).reconciler())
    assert (outcome.ran, outcome.exit_code) == ([], 1)
    assert world.registry.live("bot", "production").version == "1.1.0"


POINTER = [
    # released before (the last one is live under its alias), then asked for, may its pointer move
    (["1.0.0", "1.1.0@canary"], "1.1.0", 0.002, "BLOCKED"),  # the loophole: judged where there was no champion
    (["1.1.0@canary", "1.0.0"], "1.1.0", 0.001, "BLOCKED"),
    (["1.0.0", "1.1.0"], "1.0.0", 0.001, "RUN"),  # a revert
    (["1.0.0", "1.1.0", "1.2.0"], "1.0.0", 0.001, "RUN"),  # a revert of two
    (["1.0.0@canary", "1.1.0@canary"], "1.0.0", 0.001, "RUN"),  # nothing is live as production
]


@pytest.mark.parametrize(("released", "version", "rate", "action"), POINTER)
def test_a_release_under_one_alias_does_not_pass_under_another_unjudged(world, released, version, rate, action):
    world.spec["evaluation"]["gates"].append(NO_WORSE)
    release(world, *released)
    ask(world, version, rate)
    plan, outcome = world.apply()
    assert step(plan, "deploy").action == action
    assert outcome.exit_code == (1 if action == "BLOCKED" else 0)
    if action == "BLOCKED":
        assert "1.0.0 is live as production, and 1.1.0 was released without a comparison with it" in outcome.blocked
        assert "give it a new version, such as 1.2.0" in outcome.blocked
        assert plan.faulty


def test_the_way_out_trains_nothing_and_compares(world):
    world.spec["evaluation"]["gates"].append(NO_WORSE)
    release(world, "1.0.0", "1.1.0@canary")
    ask(world, "1.2.0", 0.002)
    plan, outcome = world.apply()
    assert plan.summary["train"] == 0
    assert plan.specs[0].champion == "1.0.0"
    assert outcome.exit_code == 0
    assert world.registry.version("bot", "1.2.0").champion == "1.0.0"
    # Both were live as production by now: either way is free.
    for version, rate in (("1.0.0", 0.001), ("1.2.0", 0.002)):
        ask(world, version, rate)
        assert world.apply()[1].ran == ["deploy"]


def test_without_gates_on_the_champion_any_release_may_move(world):
    release(world, "1.0.0", "1.1.0@canary")
    ask(world, "1.1.0", 0.002)
    assert world.apply()[1].ran == ["deploy"]


def test_the_live_model_under_another_number_may_move(world):
    world.spec["evaluation"]["gates"].append(NO_WORSE)
    release(world, "1.0.0")
    ask(world, "1.1.0", 0.001, "canary")
    assert world.apply()[1].exit_code == 0
    ask(world, "1.1.0", 0.001)
    assert world.apply()[1].ran == ["deploy"]


def test_a_spec_that_differs_from_its_release_blocks_itself_alone(world):
    world.apply()
    good = copy.deepcopy(world.spec) | {"name": "other", "version": "2.0.0"}
    world.spec["training"]["learning_rate"] = 0.002
    world.write()
    shutil.copytree(world.root / "specs/bot", world.root / "specs/other")
    (world.root / "specs/other/spec.yaml").write_text(yaml.safe_dump(good, sort_keys=False))
    plan, (bad, other) = world.apply_all()
    assert plan.faulty
    assert plan.specs[0].step("train").fault
    assert not any(found.fault for found in plan.specs[1].steps)
    assert (bad.exit_code, other.exit_code) == (1, 0)
    assert "never changes" in bad.blocked
    assert other.deployment.version == "2.0.0"


FAULTS = [
    ({"branch": "topic"}, False),
    ({"dirty": ["specs/bot/spec.yaml"]}, False),
    ({"descends": False}, False),
]


@pytest.mark.parametrize(("change", "fault"), FAULTS)
def test_what_git_holds_up_is_nobodys_fault(world, change, fault):
    release(world, "1.0.0")
    ask(world, "1.1.0", 0.002)
    world.apply(through="gate")
    for name, value in change.items():
        setattr(world, name, value)
    assert world.plan().faulty is fault


def test_a_gate_that_failed_is_a_verdict_and_no_fault(world):
    ask(world, "1.0.0", 0.5)
    assert world.apply()[1].exit_code == 3
    plan = world.plan()
    assert step(plan, "deploy").action == "BLOCKED"
    assert not plan.faulty


def test_row_order_ends_at_prepare(world):
    """Early cut-off: what prepare yields is the same dataset, so that all that depended on it is reused."""
    world.apply()
    world.files = {name: rows[::-1] for name, rows in world.files.items()}
    plan, outcome = world.apply()
    actions = [found.action for found in plan.specs[0].steps]
    assert actions == ["RUN", *["DEPENDS"] * 5, "REUSE", "NONE"]
    assert plan.summary["train"] == 1
    assert outcome.ran == ["prepare"]
