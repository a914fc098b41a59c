"""Releases under pressure: an older model under a new number, a newer tool, other applies, lost facts, edited files."""

from __future__ import annotations

import copy
import json
import shutil

import pytest
from world import FakeEngine, World, fake_weights

from runner.errors import GituneError
from runner.plan import keys
from runner.steps import deploy, prepare, score, train

NO_WORSE = {"metric": "exact_match", "not_worse_than": "champion", "margin": {"points": 10}}


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    return World(tmp_path)


def step(plan, name):
    return plan.specs[0].step(name)


def ask(world: World, version: str, rate: float) -> None:
    world.spec["version"] = version
    world.spec["training"]["learning_rate"] = rate


def lose(world: World, digest: str) -> None:
    (world.root / "registry/store/blobs/sha256" / digest[:2] / digest[2:]).unlink(missing_ok=True)


def before(monkeypatch, module, name, act) -> None:
    """Do something once, just before a step's function runs."""
    real, todo = getattr(module, name), [act]

    def interrupted(*arguments):
        if todo:
            todo.pop()()
        return real(*arguments)

    monkeypatch.setattr(module, name, interrupted)


def test_an_older_model_under_a_new_number_meets_the_live_one(world):
    world.spec["evaluation"]["gates"].append(NO_WORSE)
    for version, rate in (("1.0.0", 0.001), ("1.1.0", 0.002)):
        ask(world, version, rate)
        world.apply()
    ask(world, "1.2.0", 0.001)
    plan, outcome = world.apply()
    assert plan.specs[0].champion == "1.1.0"
    assert outcome.gate.metrics["verdicts"][-1]["rival_value"] is not None
    assert world.registry.version("bot", "1.2.0").champion == "1.1.0"


def test_a_newer_tool_leaves_releases_alone(world, monkeypatch):
    world.apply()
    ask(world, "1.1.0", 0.002)
    world.apply()
    monkeypatch.setattr(keys, "IMPLEMENTATION", {name: number + 1 for name, number in keys.IMPLEMENTATION.items()})
    assert world.plan().idle
    ask(world, "1.0.0", 0.001)
    assert world.apply()[1].ran == ["deploy"]
    ask(world, "1.0.0", 0.003)
    assert "never changes" in step(world.plan(), "train").reason
    ask(world, "1.2.0", 0.001)
    assert step(world.plan(), "prepare").action == "RUN"


def test_lost_scores_do_not_hold_up_a_rollback(world):
    world.apply()
    ask(world, "1.1.0", 0.002)
    world.apply()
    ask(world, "1.0.0", 0.001)
    for record in world.registry.records("score"):
        lose(world, record.outputs["scores"].digest)
    plan = world.plan()
    assert step(plan, "gate").action == "REUSE"
    digest = world.registry.version("bot", "1.0.0").content.adapter.digest
    moved = f"1.1.0 → 1.0.0 (already released, only the pointer moves; verified sha256:{digest[:12]})"
    assert step(plan, "deploy").reason == moved


def test_a_champion_that_is_lost_is_not_taken_for_none(world):
    world.spec["evaluation"]["gates"].append(NO_WORSE)
    world.apply()
    (world.root / "registry/store/versions/bot/1.0.0.json").unlink()
    ask(world, "1.1.0", 0.002)
    _, outcome = world.apply()
    assert outcome.exit_code == 1
    assert "the champion 1.0.0 is missing" in outcome.blocked


def test_a_champion_that_changes_meanwhile_is_compared_with_next_time(world, monkeypatch):
    world.spec["evaluation"]["gates"].append(NO_WORSE)
    world.apply()

    def another_apply():
        ours = copy.deepcopy(world.spec)
        ask(world, "1.1.0", 0.003)
        # The fakes answer alike, and the same scores would wait for ours.
        world.spec["evaluation"]["metrics"] = ["exact_match"]
        world.apply()
        world.spec = ours
        world.write()

    before(monkeypatch, score, "run", another_apply)
    ask(world, "1.2.0", 0.002)
    _, outcome = world.apply()
    assert outcome.gate.inputs["champion"] == "1.0.0"
    assert outcome.exit_code == 1
    assert "1.1.0 went live while its gates compared with 1.0.0" in outcome.blocked
    assert world.apply()[1].exit_code == 0
    assert world.registry.version("bot", "1.2.0").champion == "1.1.0"


def test_a_number_that_another_apply_took_is_never_deployed_as_ours(world, monkeypatch):
    world.apply()

    def another_apply():
        theirs = world.registry.version("bot", "1.0.0")
        content = theirs.content.model_copy(update={"train_key": "f" * 64})
        world.registry.release(theirs.model_copy(update={"version": "1.1.0", "content": content}))

    before(monkeypatch, deploy, "load_check", another_apply)
    ask(world, "1.1.0", 0.002)
    _, outcome = world.apply()
    assert "1.1.0 is released and never changes" in outcome.blocked
    assert world.registry.live("bot", "production").version == "1.0.0"


def test_data_edited_during_an_apply_is_not_recorded(world, monkeypatch):
    world.write()
    file = world.root / "specs/bot/data/a.jsonl"
    before(monkeypatch, prepare, "run", lambda: file.write_text(file.read_text().partition("\n")[2]))
    _, outcome = world.apply()
    assert "the data changed" in str(outcome.error)
    assert not list(world.registry.records("prepare"))


def test_a_schema_edited_during_an_apply_is_not_recorded(world, monkeypatch):
    file = world.root / "specs/bot/output.schema.json"
    before(monkeypatch, train, "run", lambda: file.write_text(json.dumps({"type": "object"})))
    _, outcome = world.apply()
    assert "the output format changed" in str(outcome.error)
    assert not list(world.registry.records("score"))


def test_rows_of_a_lost_dataset_are_not_counted(world):
    world.apply(through="gate")
    (first,) = world.registry.records("prepare")
    world.files["data/c.jsonl"] = list(range(120, 150))
    world.apply(through="prepare")
    lose(world, first.outputs["train"].digest)
    assert step(world.plan(), "train").action == "RUN"
    assert step(world.plan(), "train").reason.startswith("training rows ")


def test_plans_of_different_specs_differ(world):
    digest = world.plan().digest
    assert world.plan().digest == digest
    world.spec["training"]["learning_rate"] = 0.002
    assert world.plan().digest != digest


def test_a_failing_evaluation_does_not_hold_a_rollback_back(world, monkeypatch):
    world.apply()
    first = copy.deepcopy(world.spec)
    world.spec["version"] = "1.1.0"
    world.spec["training"]["learning_rate"] = 0.002
    world.apply()
    answers = world.registry.record("predict_tuned", world.registry.version("bot", "1.0.0").keys["predict_tuned"])
    digest = answers.outputs["answers"].digest
    (world.root / "registry/store/blobs/sha256" / digest[:2] / digest[2:]).unlink()

    class Silent(FakeEngine):
        def answer(self, *_):
            raise GituneError("llama.cpp is not itself today")

    monkeypatch.setattr("runner.inference.bulk.open_engine", Silent)
    world.spec = first
    _, outcome = world.apply()
    assert outcome.deployment.version == "1.0.0"
    assert outcome.exit_code == 1
    assert "not itself today" in str(outcome.error)


@pytest.mark.parametrize("what", ["weights", "a record"])
def test_what_goes_between_the_load_check_and_the_release_is_never_released(world, monkeypatch, what):
    def collect():
        (trained,) = world.registry.records("train")
        if what == "weights":
            lose(world, trained.outputs["adapter"].digest)
        else:
            shutil.rmtree(world.root / "registry/store/records/score")

    before(monkeypatch, deploy, "move_alias", collect)
    _, outcome = world.apply()
    assert "is not deployed" in outcome.error.message
    assert (world.registry.version("bot", "1.0.0"), world.registry.live("bot", "production")) == (None, None)
    _, outcome = world.apply()
    assert outcome.error is None
    assert outcome.deployment.version == "1.0.0"
