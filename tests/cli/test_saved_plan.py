"""`plan -o FILE` and `apply FILE`: exactly what was reviewed, or a refusal that says what changed."""

from __future__ import annotations

import json
import os
import shutil
import threading

import pytest
from repository import commit, committed_world, git, run
from world import World, row

from runner.plan.model import Estimate, PlannedStep, SpecPlan, make_plan
from runner.plan.undone import undone
from runner.registry.facts import STEPS


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: PTH123, SIM115
    return committed_world(tmp_path, monkeypatch)


def second(world: World) -> None:
    world.spec["version"] = "1.1.0"
    world.spec["training"]["learning_rate"] = 0.002
    commit(world, "second")


def test_a_saved_plan_is_applied_without_asking(world, capsys):
    assert run(world, "plan", "-o", "first.plan") == 0
    assert "gitune apply first.plan" in capsys.readouterr().err
    assert run(world, "show", "first.plan") == 0
    shown = capsys.readouterr().out
    assert "+ prepare" in shown
    assert run(world, "apply", "first.plan") == 0
    assert "production is now 1.0.0" in capsys.readouterr().out


def test_the_same_plan_is_not_applied_twice_on_an_empty_registry(world, capsys):
    run(world, "plan", "-o", "first.plan")
    run(world, "apply", "first.plan")
    capsys.readouterr()
    assert run(world, "apply", "first.plan") == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "was already applied" in captured.err
    assert len(world.registry.deployments("bot", "production")) == 1


def test_of_two_plans_made_on_an_empty_registry_one_is_applied(world, capsys):
    run(world, "plan", "--through", "train", "-o", "one.plan")
    run(world, "plan", "-o", "two.plan")
    assert run(world, "apply", "one.plan") == 0
    capsys.readouterr()
    assert run(world, "apply", "two.plan") == 1
    said = capsys.readouterr().err
    assert "registry: prepare of bot was RUN, and is now REUSE" in said
    assert "plan again" in said


def test_a_plan_of_nothing_is_applied_as_often_as_one_likes(world, capsys):
    run(world, "apply", "--yes")
    run(world, "plan", "-o", "none.plan")
    capsys.readouterr()
    assert [run(world, "apply", "none.plan") for _ in range(2)] == [0, 0]
    assert "ran: nothing" in capsys.readouterr().out


def other_rate(world):
    world.spec["training"]["learning_rate"] = 0.003
    world.write()


def more_rows(world):
    with (world.root / "specs/bot/data/a.jsonl").open("a") as file:
        file.write(json.dumps(row(300)) + "\n")


def other_schema(world):
    file = world.root / "specs/bot/output.schema.json"
    file.write_text(file.read_text().replace("additionalProperties", "unevaluatedProperties"))


def other_base(world):
    world.base = "other weights"
    world.write_base()


def other_policy(world):
    (world.root / "registry").mkdir(exist_ok=True)
    (world.root / "registry/config.yaml").write_text("policy: {file_roots: [elsewhere]}\n")


def other_spec(world):
    shutil.copytree(world.root / "specs/bot", world.root / "specs/bat")
    file = world.root / "specs/bat/spec.yaml"
    file.write_text(file.read_text().replace("name: bot", "name: bat"))


def other_branch(world):
    git(world, "checkout", "--quiet", "-b", "topic")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (other_rate, "spec: specs/bot/spec.yaml\n"),
        (more_rows, "spec: specs/bot/data/a.jsonl\n"),
        (other_schema, "spec: output format of bot\n"),
        (other_base, "spec: base model file://base\n"),
        (other_policy, "settings: policy.file_roots in registry/config.yaml\n"),
        (other_spec, "spec: bat is new\n"),
        (other_branch, "deploy of bot was DEPENDS, and is now NONE (deploys from main once merged; this is topic)\n"),
        (lambda w: git(w, "commit", "--allow-empty", "-m", "x"), "HEAD: "),
        (
            lambda w: run(w, "apply", "--yes", "--through", "prepare"),
            "registry: prepare of bot was RUN, and is now REUSE",
        ),
    ],
)
def test_a_stale_plan_is_refused_and_told_why(world, capsys, change, words):
    run(world, "plan", "-o", "it.plan")
    change(world)
    trained = len([*world.registry.records("train")])
    capsys.readouterr()
    assert run(world, "apply", "it.plan") == 1
    said = capsys.readouterr().err
    assert "it.plan is stale, and nothing was done" in said
    assert words in said
    assert len([*world.registry.records("train")]) == trained
    assert world.registry.live("bot", "production") is None


def test_another_live_version_makes_a_plan_stale(world, capsys):
    run(world, "apply", "--yes")
    second(world)
    run(world, "plan", "-o", "it.plan")
    run(world, "apply", "--yes")
    git(world, "revert", "--no-edit", "HEAD")
    run(world, "apply", "--yes")
    git(world, "reset", "--quiet", "--hard", "HEAD~1")
    capsys.readouterr()
    assert run(world, "apply", "it.plan") == 1
    assert "stale" in capsys.readouterr().err


def test_runs_of_other_specs_and_comments_do_not_make_a_plan_stale(world, capsys):
    other_spec(world)
    commit(world, "two specs")
    run(world, "plan", "bot", "-o", "it.plan")
    file = world.root / "specs/bat/spec.yaml"
    file.write_text(file.read_text().replace("Sort it.", "Sort that."))
    assert run(world, "apply", "--yes", "--through", "gate", "bat") == 0
    spec = world.root / "specs/bot/spec.yaml"
    spec.write_text(f"# a remark\n{spec.read_text()}")
    git(world, "stash", "--quiet")
    assert run(world, "apply", "it.plan") == 0
    assert world.registry.live("bot", "production").version == "1.0.0"


def test_another_tool_makes_a_plan_stale(world, capsys, monkeypatch):
    run(world, "plan", "-o", "it.plan")
    monkeypatch.setattr("runner.plan.saved.IMPLEMENTATION", {"train": 99})
    assert run(world, "apply", "it.plan") == 1
    assert "tool: implementation" in capsys.readouterr().err
    monkeypatch.setattr("runner.plan.saved.__version__", "99.0.0")
    assert run(world, "apply", "it.plan") == 1
    assert "and this is 99.0.0" in capsys.readouterr().err


def test_what_was_asked_of_plan_holds_for_apply(world, capsys):
    run(world, "plan", "--through", "evaluate", "-o", "it.plan")
    capsys.readouterr()
    assert run(world, "apply", "--json", "it.plan") == 0
    (outcome,) = json.loads(capsys.readouterr().out)["specs"]
    assert outcome["ran"] == ["prepare", "train", "predict_base", "predict_tuned", "score", "gate"]
    assert run(world, "apply", "it.plan", "--retry") == 64


def test_a_plan_for_a_namespace_is_applied_there_and_nowhere_else(world, capsys):
    run(world, "plan", "--namespace", "pr/7", "-o", "pr.plan")
    run(world, "plan", "--through", "evaluate", "-o", "main.plan")
    capsys.readouterr()
    assert run(world, "apply", "pr.plan") == 64
    assert "was made for the namespace pr/7, and this is main's registry" in capsys.readouterr().err
    assert run(world, "apply", "--namespace", "pr/7", "main.plan") == 64
    assert "was made for main's registry, and this is the namespace pr/7" in capsys.readouterr().err
    assert not list(world.registry.records("prepare"))
    assert run(world, "apply", "--namespace", "pr/7", "pr.plan") == 0
    assert not list(world.registry.records("prepare"))


def edit(text):
    return lambda data: data.replace(b'"action": "RUN"', text)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: b"", "is empty"),
        (lambda data: b"\x00\xff", "is not a saved plan"),
        (lambda data: b"[1]", "is not a saved plan"),
        (lambda data: data[: len(data) // 2], "is not a saved plan"),
        (edit(b'"action": "NONE"'), "was edited by hand"),
        (lambda data: data.replace(b'"format_version": "1.0"', b'"format_version": "2.0"', 1), "format 2.0"),
        (lambda data: data.replace(b'"kind": "gitune/plan"', b'"kind": "x"'), "is not a saved plan"),
    ],
)
def test_a_file_that_is_no_plan_is_one_clear_error(world, capsys, damage, words):
    run(world, "plan", "-o", "it.plan")
    file = world.root / "it.plan"
    file.write_bytes(damage(file.read_bytes()))
    capsys.readouterr()
    assert run(world, "apply", "it.plan") == 1
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said


def test_a_plan_as_json_is_not_taken_for_a_saved_one(world, capsys):
    run(world, "plan", "--json")
    (world.root / "it.json").write_text(capsys.readouterr().out)
    assert run(world, "apply", "it.json") == 1
    assert "plan -o FILE" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argument", "code", "words"),
    [
        ("missing.plan", 1, "cannot be read: No such file"),
        ("./bot", 1, "cannot be read"),
        ("bott", 64, "no spec named `bott`"),
        ("specs/bot/spec.yaml", 64, "name the spec, not its file"),
    ],
)
def test_what_an_argument_of_apply_means(world, capsys, argument, code, words):
    assert run(world, "apply", argument) == code
    assert words in capsys.readouterr().err


def test_a_saved_plan_is_applied_alone(world, capsys):
    run(world, "plan", "-o", "it.plan")
    capsys.readouterr()
    assert run(world, "apply", "bot", "it.plan", "--yes") == 64
    assert "the saved plan it.plan names its specs itself" in capsys.readouterr().err
    assert run(world, "apply", "specs/bot", "--yes") == 64
    assert "name the spec, not its file: `bot`" in capsys.readouterr().err


def test_the_file_holds_no_path_of_this_machine_and_moves_with_the_repository(world, tmp_path, capsys):
    run(world, "plan", "-o", "it.plan")
    text = (tmp_path / "it.plan").read_text()
    assert str(tmp_path) not in text
    run(world, "plan", "-o", "again.plan")
    assert (tmp_path / "again.plan").read_text() == text


def test_a_plan_is_written_whole_or_not_at_all(world, capsys):
    assert run(world, "plan", "-o", "nowhere/it.plan") == 1
    assert "nowhere" in capsys.readouterr().err
    assert not list(world.root.glob(".it.plan*"))


def test_a_pipe_is_written_to_and_stays_one(world):
    pipe = world.root / "pipe.plan"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(json.loads(pipe.read_text())), daemon=True)
    reader.start()
    assert run(world, "plan", "-o", "pipe.plan") == 0
    reader.join(10)
    assert read[0]["kind"] == "gitune/plan"
    assert pipe.is_fifo()


def planned(**actions) -> SpecPlan:
    steps = [
        PlannedStep(step=step, action=actions.get(step, "NONE"), key="k" * 64, reason="", estimate=Estimate())
        for step in STEPS
    ]
    return SpecPlan(name="bot", version="1.0.0", file="f", champion=None, steps=steps)


def test_nothing_done_is_a_success_only_where_that_was_the_plan(world):
    assert undone(planned(), [], world.registry) == []
    said = planned(prepare="RUN", train="DEPENDS", deploy="RUN")
    assert undone(said, [], world.registry) == ["prepare", "deploy"]
    assert undone(said, ["prepare", "deploy"], world.registry) == []
    run(world, "apply", "--yes")
    key = next(world.registry.records("prepare")).key
    steps = [step.model_copy(update={"key": key}) for step in said.steps]
    assert undone(said.model_copy(update={"steps": steps}), [], world.registry) == []


def test_the_digest_is_of_what_is_decided_and_not_of_why():
    one = planned(train="RUN")
    steps = [step.model_copy(update={"reason": "another", "estimate": Estimate(seconds=1)}) for step in one.steps]
    digest = make_plan([one], "head").digest
    assert make_plan([one.model_copy(update={"steps": steps})], "head").digest == digest
    # Who waits for another run does the step himself, should that die.
    assert make_plan([planned(train="WAIT")], "head").digest == digest
    others = [
        one.model_copy(update=change) for change in ({"live": "0.9.0"}, {"champion": "0.9.0"}, {"version": "2.0.0"})
    ]
    digests = {make_plan([other], "head").digest for other in [*others, planned(), planned(train="REUSE")]}
    assert len(digests | {digest, make_plan([one], "other").digest}) == 7
