"""Gates that name versions and other specs: who answers, what is reused, and what is told when somebody is missing."""

from __future__ import annotations

import copy
import json
import shutil

import pytest
import yaml
from world import World, fake_weights

from runner.digest import digest_file
from runner.plan.build import look
from runner.plan.decision import answered
from runner.plan.walk import Walk
from runner.registry.artifacts import blob_key
from runner.report.gather import gather_report
from runner.report.markdown import render_markdown
from runner.report.proof import prove

EARLY = {"metric": "exact_match", "not_worse_than": "version:1.0.0", "margin": {"points": 20}}
LAST = {"metric": "exact_match", "not_worse_than": "champion", "margin": {"points": 20}}
OTHER = {"metric": "exact_match", "not_worse_than": "spec:other", "margin": {"points": 20}}


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    return World(tmp_path)


def ask(world: World, version: str, rate: float, *gates: dict) -> None:
    world.spec["version"] = version
    world.spec["training"]["learning_rate"] = rate
    world.spec["evaluation"]["gates"] = [*world.spec["evaluation"]["gates"][:2], *gates]


def release(world: World) -> None:
    """Release 1.0.0 and 1.1.0."""
    for version, rate in (("1.0.0", 0.001), ("1.1.0", 0.002)):
        ask(world, version, rate)
        assert world.apply()[1].deployment.version == version


def add_other(world: World) -> None:
    """Give the repository a second spec, with a training and a system prompt of its own."""
    world.write()
    other = copy.deepcopy(world.spec) | {"name": "other", "version": "3.0.0", "training": {"learning_rate": 0.005}}
    other["dataset"] = other["dataset"] | {"system_prompt": "Tell its colour."}
    folder = world.root / "specs" / "other"
    shutil.copytree(world.root / "specs" / "bot", folder)
    (folder / "spec.yaml").write_text(yaml.safe_dump(other))


def champion_step(plan):
    return next(spec for spec in plan.specs if spec.name == "bot").step("predict_champion")


def lose_weights(world: World, version: str) -> World:
    content = world.registry.version("bot", version).content
    for file in world.registry.fetch(content.adapter).iterdir():
        (world.root / "registry" / "store" / blob_key(digest_file(file))).unlink(missing_ok=True)
    again = World(world.root)
    again.spec, again.files = world.spec, world.files
    return again


def scores(world: World, outcome) -> dict:
    scored = world.registry.record("score", world.plan().specs[0].step("score").key)
    return json.loads(world.registry.read(scored.outputs["scores"]))["subjects"]


def test_a_version_and_the_champion_are_both_compared_with(world):
    release(world)
    # Other test rows: nobody has answered these.
    world.files["data/c.jsonl"] = list(range(200, 260))
    ask(world, "1.2.0", 0.003, EARLY, LAST)
    plan, outcome = world.apply()
    assert outcome.error is None
    assert plan.specs[0].rivals == {"version:1.0.0": "bot@1.0.0"}
    assert champion_step(plan).action == "DEPENDS"
    assert "predict_champion" in outcome.ran
    assert scores(world, outcome).keys() == {"base", "tuned", "champion", "version:1.0.0"}
    verdicts = {verdict["rival"]: verdict["outcome"] for verdict in outcome.gate.metrics["verdicts"]}
    assert verdicts["version:1.0.0"] == verdicts["champion"] == "PASS"
    assert outcome.deployment.version == "1.2.0"
    assert world.plan().idle
    links = prove(world.registry.version("bot", "1.2.0"), "production", world.registry, world.root)
    assert [link for link in links if link.broken and link.what != "spec"] == []


def test_what_a_version_answered_before_is_used_again(world):
    release(world)
    ask(world, "1.2.0", 0.003, EARLY, LAST)
    plan, _ = world.apply()
    assert champion_step(plan).action == "RUN"
    record = next(record for record in world.registry.records("predict_champion") if record.inputs.get("rivals"))
    released = world.registry.version("bot", "1.0.0")
    first = world.registry.record("predict_tuned", released.keys["predict_tuned"])
    assert answered({"predict_champion": record})["version:1.0.0"].outputs["answers"] == first.outputs["answers"]


def test_the_answers_of_each_rival_are_there_for_others(world):
    release(world)
    world.files["data/c.jsonl"] = list(range(200, 260))
    ask(world, "1.2.0", 0.003, EARLY, LAST)
    world.branch = "topic"
    world.apply()
    ask(world, "1.2.0", 0.003, LAST)
    plan, outcome = world.apply()
    assert champion_step(plan).action == "REUSE"
    assert outcome.error is None


def test_the_champion_by_its_number_answers_once(world):
    release(world)
    ask(world, "1.2.0", 0.003, {**EARLY, "not_worse_than": "version:1.1.0"}, LAST)
    plan, outcome = world.apply()
    assert plan.specs[0].rivals == {}
    assert scores(world, outcome).keys() == {"base", "tuned", "champion"}
    rivals = {verdict["rival"]: verdict["outcome"] for verdict in outcome.gate.metrics["verdicts"]}
    assert rivals["version:1.1.0"] == "PASS"


def test_a_version_without_any_champion(world):
    release(world)
    ask(world, "1.2.0", 0.003, EARLY)
    world.spec["deployment"] = {"alias": "beta"}
    _, outcome = world.apply()
    assert scores(world, outcome).keys() == {"base", "tuned", "version:1.0.0"}
    assert outcome.deployment.version == "1.2.0"


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (EARLY, "a gate compares with version:1.0.0, which was never released (released: none)"),
        (OTHER, "a gate compares with spec:other, but nothing of other is live"),
    ],
)
def test_who_is_missing_blocks_at_plan_time(world, gate, words):
    ask(world, "2.0.0", 0.001, gate)
    plan = world.plan()
    step = champion_step(plan)
    assert (step.action, step.fault, step.reason_code) == ("BLOCKED", True, "rival_missing")
    assert words in step.reason
    assert plan.faulty
    assert plan.specs[0].step("score").action == "BLOCKED"


def test_what_another_spec_has_live_answers_this_test_set(world):
    add_other(world)
    _, outcomes = world.apply_all()
    assert [outcome.deployment.version for outcome in outcomes] == ["1.0.0", "3.0.0"]
    ask(world, "1.1.0", 0.002, OTHER)
    plan, outcomes = world.apply_all()
    assert plan.specs[0].rivals == {"spec:other": "other@3.0.0"}
    assert outcomes[0].deployment.version == "1.1.0"
    assert scores(world, outcomes[0]).keys() == {"base", "tuned", "champion", "spec:other"}
    released = world.registry.version("bot", "1.1.0")
    assert released.rivals == {"spec:other": "other@3.0.0"}


def test_a_revert_runs_nothing_though_the_other_spec_has_moved_on(world):
    add_other(world)
    world.apply_all()
    ask(world, "1.1.0", 0.002, OTHER)
    world.apply_all()
    compared = copy.deepcopy(world.spec)
    ask(world, "1.2.0", 0.003)
    world.apply_all()
    file = world.root / "specs" / "other" / "spec.yaml"
    other = yaml.safe_load(file.read_text()) | {"version": "3.1.0", "training": {"learning_rate": 0.006}}
    file.write_text(yaml.safe_dump(other))
    assert world.apply_all()[1][1].deployment.version == "3.1.0"
    world.spec = compared
    plan, outcomes = world.apply_all()
    assert {step.action for step in plan.specs[0].steps[:-1]} == {"REUSE"}
    assert outcomes[0].ran == ["deploy"]


def test_a_champion_that_answers_once_has_no_consistency(world):
    release(world)
    world.spec["evaluation"]["metrics"] = ["exact_match", "consistency"]
    world.spec["evaluation"]["generation"] = {"temperature": 0.7, "samples": 2}
    ask(world, "1.2.0", 0.003, LAST)
    _, outcome = world.apply()
    assert outcome.error is None
    found = scores(world, outcome)
    assert {name for name, of in found.items() if "consistency" in of["values"]} == {"base", "tuned"}


def test_a_lost_champion_is_compared_on_rows_it_answered(world):
    release(world)
    again = lose_weights(world, "1.1.0")
    again.files = {**world.files, "data/c.jsonl": list(range(200, 260))}
    ask(again, "1.2.0", 0.003, LAST)
    again.apply(through="predict_tuned")
    step = champion_step(again.plan())
    assert (step.action, step.reason_code) == ("REUSE", "earlier_answers")
    assert step.reason.startswith("the weights of bot@1.1.0 are lost; what it answered of ")
    earlier = world.registry.version("bot", "1.1.0").keys["predict_tuned"]
    assert step.key == earlier
    assert champion_step(again.plan()) == step


def test_rows_that_both_answered_are_scored(world):
    release(world)
    again = lose_weights(world, "1.1.0")
    again.files = {**world.files, "data/c.jsonl": list(range(200, 260))}
    ask(again, "1.2.0", 0.003, LAST)
    _, outcome = again.apply(through="score")
    assert outcome.error is None
    found = scores(again, outcome)
    rows = found["tuned"]["n"]
    assert 0 < found["champion"]["n"] < rows
    assert len(found["champion"]["unanswered"]) == rows - found["champion"]["n"]


def test_rows_that_both_answered_are_judged_and_reported(world):
    release(world)
    again = lose_weights(world, "1.1.0")
    again.files = {**world.files, "data/c.jsonl": list(range(200, 260))}
    ask(again, "1.2.0", 0.003, LAST)
    again.branch = "topic"
    _, outcome = again.apply()
    assert outcome.error is None
    found = scores(again, outcome)
    shared = found["champion"]["n"]
    verdict = next(one for one in outcome.gate.metrics["verdicts"] if one["rival"] == "champion")
    assert (verdict["n"], verdict["left_out"]) == (shared, found["tuned"]["n"] - shared)
    (subject,) = again.subjects()
    report = gather_report(look(Walk(subject, again.registry, again.delivery())))
    changes = report.champion_changes
    assert (changes.fixed, changes.broken, changes.unchanged) == (0, 0, shared)
    assert sum(row.champion_status == "unanswered" for row in report.rows) == verdict["left_out"]
    text = render_markdown(report)
    assert f"{verdict['left_out']} rows that champion 1.1.0 could not answer are left out" in text
    assert f"of {shared} rows" in text


def test_a_lost_rival_beside_a_champion_that_answers(world):
    release(world)
    again = lose_weights(world, "1.0.0")
    again.files = {**world.files, "data/c.jsonl": list(range(200, 260))}
    ask(again, "1.2.0", 0.003, EARLY, LAST)
    _, outcome = again.apply(through="predict_champion")
    assert outcome.error is None
    assert outcome.ran[-1] == "predict_champion"
    (record,) = (record for record in again.registry.records("predict_champion") if record.inputs.get("rivals"))
    early = again.registry.version("bot", "1.0.0")
    assert record.inputs["rivals"]["version:1.0.0"] == {"earlier": early.keys["predict_tuned"]}
    step = champion_step(again.plan(through="predict_champion"))
    assert (step.action, step.key) == ("REUSE", record.key)
    assert "the weights of bot@1.0.0 are lost; what it answered of" in step.reason


def test_a_release_that_was_compared_with_a_lost_rival_runs_nothing_once_that_is_back(world, tmp_path):
    release(world)
    copied = shutil.copytree(world.root / "registry", tmp_path / "copy")
    again = lose_weights(world, "1.0.0")
    again.files = {**world.files, "data/c.jsonl": list(range(200, 260))}
    ask(again, "1.2.0", 0.003, EARLY, LAST)
    assert again.apply()[1].deployment.version == "1.2.0"
    assert again.plan().idle
    shutil.copytree(copied, world.root / "registry", dirs_exist_ok=True)
    restored = World(world.root)
    restored.spec, restored.files = again.spec, again.files
    assert champion_step(restored.plan()).action == "REUSE"
    assert restored.plan().idle


def test_a_lost_champion_that_answered_none_of_the_rows_blocks(world):
    release(world)
    again = lose_weights(world, "1.1.0")
    again.spec["dataset"]["system_prompt"] = "Other words."
    ask(again, "2.0.0", 0.003, LAST)
    _, outcome = again.apply()
    assert (outcome.error, outcome.exit_code) == (None, 1)
    assert "the champion 1.1.0 is released but its artifacts are lost" in outcome.blocked
    step = champion_step(again.plan())
    assert (step.action, step.reason_code) == ("BLOCKED", "released_lost")
