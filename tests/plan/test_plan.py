"""Single decisions: reasons, released versions, gates that fail, and where a deployment may come from."""

from __future__ import annotations

import json
import re

import pytest
from world import World, fake_weights

from runner.errors import TerminalError


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    return World(tmp_path)


def step(plan, name):
    return plan.specs[0].step(name)


def test_first_plan_runs_prepare_and_all_else_depends(world):
    plan = world.plan()
    assert [s.action for s in plan.specs[0].steps] == ["RUN"] + ["DEPENDS"] * 7
    assert step(plan, "prepare").reason == "never run before"
    assert [s.key for s in plan.specs[0].steps[1:]] == [None] * 7


def test_json_is_the_published_shape(world):
    shown = json.loads(world.plan().model_dump_json())
    assert set(shown) == {
        *("format_version", "specs", "summary", "digest", "estimate", "budget"),
        *("head", "base", "removed", "unchanged"),
    }
    assert set(shown["specs"][0]) == {
        *("name", "version", "file", "champion", "steps"),
        *("live", "rivals", "class", "flags", "removed"),
    }
    assert set(shown["specs"][0]["steps"][0]) == {
        *(
            "step",
            "action",
            "key",
            "reason",
            "reason_code",
            "changes",
            "cause",
            "nearest",
            "estimate",
            "notes",
            "fault",
        ),
    }
    assert set(shown["summary"]) == {"run", "reuse", "none", "depends", "wait", "blocked", "undeploy", "train"}
    assert shown["summary"] == {**dict.fromkeys(shown["summary"], 0), "run": 1, "depends": 7, "train": 1}


def test_reason_names_field_and_line(world):
    world.apply()
    world.spec |= {"version": "1.1.0"}
    world.spec["training"]["learning_rate"] = 0.002
    plan = world.plan()
    lines = (world.root / "specs/bot/spec.yaml").read_text().splitlines()
    line = next(n for n, text in enumerate(lines, 1) if "learning_rate" in text)
    assert step(plan, "train").reason == f"training.learning_rate 0.001 → 0.002 (spec.yaml:{line})"
    (change,) = step(plan, "train").changes
    assert (change.path, change.old, change.new, change.line) == ("training.learning_rate", 0.001, 0.002, line)
    assert step(plan, "train").estimate.seconds is not None
    assert step(plan, "predict_tuned").reason == "because train runs"
    assert step(plan, "predict_base").action == "REUSE"
    assert plan.specs[0].champion == "1.0.0"


def test_reason_counts_rows(world):
    world.apply()
    world.spec |= {"version": "1.1.0"}
    world.files["data/c.jsonl"] = list(range(120, 150))
    plan = world.plan()
    assert step(plan, "prepare").reason == "rows +30 −0 ~0: data/c.jsonl added"
    world.apply(through="prepare")
    reason = step(world.plan(), "train").reason
    assert "training rows +" in reason
    assert "−0 ~0" in reason


def test_released_version_never_changes(world):
    world.apply()
    world.spec["training"]["learning_rate"] = 0.002
    plan = world.plan()
    assert (step(plan, "train").action, step(plan, "deploy").action) == ("BLOCKED", "BLOCKED")
    reason = step(plan, "train").reason
    assert reason.startswith("specs/bot/spec.yaml:3:")
    assert re.search(r"bot 1\.0\.0 is released and never changes.*learning_rate.*version: 1\.0\.1", reason)
    assert plan.faulty
    _, outcome = world.apply()
    assert (outcome.ran, outcome.exit_code) == ([], 1)
    assert reason in outcome.blocked


def test_released_version_is_guarded_when_only_prepare_can_tell(world):
    world.apply()
    world.files["data/c.jsonl"] = list(range(120, 150))
    plan, outcome = world.apply()
    assert step(plan, "train").action == "DEPENDS"
    assert outcome.exit_code == 1
    assert "never changes" in outcome.blocked
    assert outcome.ran == ["prepare", "predict_base"]


def test_failed_gate_keeps_production(world):
    world.apply()
    world.spec |= {"version": "1.1.0"}
    world.spec["training"]["learning_rate"] = 0.5
    _, outcome = world.apply()
    assert outcome.exit_code == 3
    assert "deploy" not in outcome.ran
    assert world.registry.live("bot", "production").version == "1.0.0"
    assert world.registry.version("bot", "1.1.0") is None
    again = world.plan()
    assert step(again, "gate").action == "REUSE"
    assert step(again, "gate").reason == "FAIL"
    assert step(again, "deploy").action == "BLOCKED"
    assert world.apply()[1].exit_code == 3


def test_champion_is_what_the_release_was_compared_with(world):
    world.spec["evaluation"]["gates"].append(
        {"metric": "exact_match", "not_worse_than": "champion", "margin": {"points": 10}}
    )
    world.apply()
    world.spec |= {"version": "1.1.0"}
    world.spec["training"]["learning_rate"] = 0.002
    plan, outcome = world.apply()
    assert plan.specs[0].champion == "1.0.0"
    assert outcome.exit_code == 0
    assert world.registry.version("bot", "1.1.0").champion == "1.0.0"
    after = world.plan()
    assert after.specs[0].champion == "1.0.0"
    assert after.idle


@pytest.mark.parametrize(
    ("change", "action", "words"),
    [
        ({"branch": "topic"}, "NONE", "deploys from main once merged; this is topic"),
        ({"dirty": ["specs/bot/spec.yaml"]}, "BLOCKED", "uncommitted: specs/bot/spec.yaml"),
        ({"dirty": ["specs/bottle/spec.yaml"]}, "RUN", "its gates passed"),
        ({"descends": False}, "BLOCKED", "not in this history"),
        ({"descends": None}, "BLOCKED", "not in this history"),
    ],
)
def test_where_a_deployment_may_come_from(world, change, action, words):
    world.apply()
    world.spec |= {"version": "1.1.0"}
    world.spec["training"]["learning_rate"] = 0.002
    world.apply(through="gate")
    for name, value in change.items():
        setattr(world, name, value)
    decided = step(world.plan(), "deploy")
    assert decided.action == action
    assert words in decided.reason


def test_terminal_failure_is_remembered(world, monkeypatch):
    class Breaks:
        def train(self, job, report):
            raise TerminalError("the loss is not a number", hint="lower training.learning_rate")

    monkeypatch.setattr("runner.steps.train.open_backend", lambda _: Breaks())
    _, outcome = world.apply()
    assert outcome.exit_code == 1
    assert step(world.plan(), "train").action == "BLOCKED"
    assert "the loss is not a number" in step(world.plan(), "train").reason
    assert step(world.plan(), "predict_tuned").action == "BLOCKED"
    assert step(world.plan(retry=True), "train").action == "RUN"


@pytest.mark.parametrize(
    ("crash", "words"),
    [
        (ZeroDivisionError("division by zero"), "train broke down: ZeroDivisionError: division by zero"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (ModuleNotFoundError("No module named 'peft'", name="peft"), "pip install 'gitune[local]'"),
    ],
)
def test_a_crash_is_one_message_and_records_nothing(world, monkeypatch, crash, words):
    class Breaks:
        def train(self, job, report):
            raise crash

    with monkeypatch.context() as patch:
        patch.setattr("runner.steps.train.open_backend", lambda _: Breaks())
        _, outcome = world.apply()
    assert outcome.exit_code == 1
    assert words in str(outcome.error)
    _, again = world.apply()
    assert again.exit_code == 0
    assert "prepare" not in again.ran


def test_lost_artifact_of_an_unreleased_step_runs_again(world):
    world.apply(through="gate")
    for record in world.registry.records("score"):
        (
            world.root
            / "registry/store/blobs/sha256"
            / record.outputs["scores"].digest[:2]
            / record.outputs["scores"].digest[2:]
        ).unlink()
    plan = world.plan()
    assert step(plan, "score").action == "RUN"
    assert step(plan, "score").reason == "lost from the registry: scores of the earlier run"
    _, outcome = world.apply()
    assert outcome.ran == ["score", "deploy"]


def test_lost_weights_of_a_released_version_are_never_retrained(world):
    world.apply()
    tree = world.registry.version("bot", "1.0.0").content.adapter
    (world.root / "registry/store/blobs/sha256" / tree.digest[:2] / tree.digest[2:]).unlink()
    plan = world.plan()
    assert step(plan, "train").action == "BLOCKED"
    reason = step(plan, "train").reason
    assert reason.startswith(f"1.0.0 is released but its artifacts are lost: artifact {tree.digest} is missing")
    assert "restore them from a copy of the store" in reason
    assert plan.faulty


def test_unknown_score_is_not_planned_as_reuse_after_a_plan(world):
    plan = world.plan()
    world.apply()
    assert world.plan().digest != plan.digest
