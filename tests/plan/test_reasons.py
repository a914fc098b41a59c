"""Why a step runs: a code for programs, the path to the root cause, the rows that differ, and what would be a hit."""

from __future__ import annotations

import copy
import json
import re
import shutil

import pytest
import yaml
from world import Silent, World, fake_weights

from runner.executors.local import LocalExecutor
from runner.plan.build import look
from runner.plan.causes import Tracer, reason_of
from runner.plan.decision import Decision
from runner.plan.history import History
from runner.plan.misses import why_miss
from runner.plan.walk import Walk
from runner.progress import silent
from runner.reconcile import Reconciler, apply_plan


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    return World(tmp_path)


@pytest.fixture
def released(world) -> World:
    world.apply()
    world.spec |= {"version": "1.1.0"}
    return world


def step(plan, name, spec=0):
    return plan.specs[spec].step(name)


def path(plan, name):
    return [(cause.step, cause.action, cause.root) for cause in step(plan, name).cause]


def edit_row(world, number, **values) -> None:
    """Edit the answer of a row in place, which World itself never does."""
    world.write()
    file = world.root / "specs/bot/data/a.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows[number]["output"] |= values
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    world.write = lambda: None


def learn_faster(world):
    world.spec["training"]["learning_rate"] = 0.002


def lose(world, name):
    for record in world.registry.records(name):
        for artifact in record.outputs.values():
            blob = world.root / "registry/store/blobs/sha256" / artifact.digest[:2] / artifact.digest[2:]
            blob.unlink(missing_ok=True)


def codes(plan):
    return {planned.step: planned.reason_code for planned in plan.specs[0].steps}


CODES = [
    # what happened since a release, with a new version?, step -> code
    (
        lambda _: None,
        False,
        {"prepare": "up_to_date", "gate": "released", "deploy": "live", "predict_champion": "no_champion"},
    ),
    (lambda _: None, True, {"gate": "up_to_date", "deploy": "not_live"}),
    (learn_faster, True, {"train": "inputs_changed", "predict_tuned": "upstream", "deploy": "upstream"}),
    (lambda w: setattr(w, "branch", "topic"), True, {"deploy": "not_on_deploy_branch"}),
    (lambda w: w.dirty.append("specs/bot/spec.yaml"), True, {"deploy": "uncommitted"}),
    (lambda w: setattr(w, "descends", False), True, {"deploy": "older_commit"}),
    (lambda w: lose(w, "score"), True, {"score": "artifact_missing", "gate": "upstream"}),
    (lambda w: lose(w, "train"), False, {"train": "released_lost", "predict_tuned": "upstream"}),
]


@pytest.mark.parametrize(("happened", "new_version", "expected"), CODES)
def test_code(happened, new_version, expected, world):
    world.apply()
    if new_version:
        world.spec |= {"version": "1.1.0"}
    happened(world)
    found = codes(world.plan())
    assert {name: found[name] for name in expected} == expected


def test_code_of_a_first_plan_and_of_one_that_goes_less_far(world):
    assert codes(world.plan())["prepare"] == "never_run"
    assert codes(world.plan(through="train"))["score"] == "left_out"


def test_code_of_gates_that_failed(released):
    released.spec["training"]["learning_rate"] = 0.5
    released.apply()
    assert codes(released.plan())["deploy"] == "gates"


def test_what_depends_names_root_and_path(released):
    released.spec["training"]["lora"] = {"r": 8}
    plan = released.plan()
    assert path(plan, "train") == [("train", "RUN", True)]
    assert path(plan, "gate") == [
        ("gate", "DEPENDS", False),
        ("score", "DEPENDS", False),
        ("predict_tuned", "DEPENDS", False),
        ("train", "RUN", True),
    ]
    assert step(plan, "gate").cause[-1].because == step(plan, "train").reason == "training.lora.r 16 → 8 (spec.yaml:17)"
    assert [cause.after for cause in step(plan, "gate").cause] == [["score"], ["predict_tuned"], ["train"], []]
    assert step(plan, "gate").reason == "because train runs (train → predict_tuned → score)"
    assert step(plan, "deploy").reason == "if its gates pass, after train runs"
    assert path(plan, "predict_base") == []


def test_two_roots_are_both_named(released):
    released.spec["training"]["learning_rate"] = 0.002
    released.spec["evaluation"]["generation"] = {"max_new_tokens": 9}
    plan = released.plan()
    assert step(plan, "score").reason == "because train, predict_base and predict_tuned run"
    assert [cause.step for cause in step(plan, "score").cause if cause.root] == [
        "predict_tuned",
        "predict_base",
        "train",
    ]


def test_what_waits_tells_its_own_changes_already(released):
    released.files["data/c.jsonl"] = list(range(120, 150))
    released.spec["training"]["lora"] = {"r": 8}
    released.spec["evaluation"]["gates"][1]["at_least"] = 0.8
    plan = released.plan()
    assert step(plan, "train").reason == "because prepare runs; training.lora.r 16 → 8 (spec.yaml:17)"
    assert [change.path for change in step(plan, "train").changes] == ["training.lora.r"]
    assert [change.path for change in step(plan, "gate").changes] == ["evaluation.gates.1.at_least"]
    assert step(plan, "predict_base").reason == "because prepare runs"
    assert step(plan, "predict_tuned").reason == "because prepare and train run"
    assert path(plan, "predict_tuned")[1:] == [("train", "DEPENDS", True), ("prepare", "RUN", True)]


def test_a_step_that_runs_is_followed_through_what_earlier_applies_yielded(released):
    released.spec["training"]["lora"] = {"r": 8}
    released.apply(through="train")
    plan = released.plan()
    reason = step(plan, "predict_tuned").reason
    assert step(plan, "train").action == "REUSE"
    assert reason.startswith("adapter ")
    assert reason.endswith(", because training.lora.r 16 → 8 (spec.yaml:17)")
    assert path(plan, "predict_tuned") == [("predict_tuned", "RUN", False), ("train", "REUSE", True)]


def test_rows_are_followed_to_the_files_they_came_from(released):
    released.files["data/c.jsonl"] = list(range(120, 150))
    released.apply(through="prepare")
    plan = released.plan()
    assert path(plan, "train") == [("train", "RUN", False), ("prepare", "REUSE", True)]
    assert step(plan, "train").cause[1].because == "rows +30 −0 ~0: data/c.jsonl added"
    rows = step(plan, "train").changes[0].rows
    assert rows.added > 0
    assert (rows.removed, rows.changed) == (0, 0)


def test_a_shared_step_leads_to_the_spec_that_runs_it(world):
    world.write()
    other = copy.deepcopy(world.spec) | {"name": "other", "training": {"learning_rate": 0.002}}
    shutil.copytree(world.root / "specs/bot", world.root / "specs/other")
    (world.root / "specs/other/spec.yaml").write_text(yaml.safe_dump(other))
    plan = world.plan()
    assert step(plan, "prepare", 1).reason_code == "shared"
    assert [(cause.step, cause.spec) for cause in step(plan, "train", 1).cause] == [("train", None), ("prepare", "bot")]
    assert step(plan, "train", 1).reason == "because prepare of bot runs"


EDITS = [
    # edit of the files, how many rows differ as prepare says it
    (lambda f: f.update({"data/c.jsonl": list(range(120, 150))}), "rows +30 −0 ~0: data/c.jsonl added"),
    (lambda f: f.update({"data/b.jsonl": list(range(80, 110))}), "rows +0 −10 ~0: data/b.jsonl changed"),
    (lambda f: f.pop("data/b.jsonl"), "rows +0 −40 ~0: data/b.jsonl removed"),
    (lambda f: f.update({"data/a.jsonl": list(range(90))}), "rows +0 −0 ~0: data/a.jsonl changed"),
    (
        lambda f: f.update(
            {"data/b.jsonl": list(range(85, 125)), "data/c.jsonl": f["data/a.jsonl"], "data/d.jsonl": [200]}
        ),
        "rows +6 −5 ~0: data/b.jsonl changed, data/d.jsonl added",
    ),
]


@pytest.mark.parametrize(("edit", "words"), EDITS)
def test_rows_of_edited_files_are_counted_before_prepare_runs(edit, words, released):
    edit(released.files)
    assert step(released.plan(), "prepare").reason == words


def test_an_edited_answer_is_one_changed_row(released):
    edit_row(released, 3, size="s" if 3 % 2 == 0 else "l")
    plan = released.plan()
    assert step(plan, "prepare").changes[0].rows.model_dump() == {"added": 0, "removed": 0, "changed": 1}


def test_rows_are_not_counted_where_they_are_read_in_another_way(released):
    released.files["data/c.jsonl"] = [200]
    released.spec["dataset"]["system_prompt"] = "Sort this."
    reason = step(released.plan(), "prepare").reason
    assert "files: data/c.jsonl added" in reason
    assert 'dataset.system_prompt "Sort it." → "Sort this."' in reason


@pytest.mark.parametrize("limit", ["runner.plan.row_changes.LARGEST", None])
def test_rows_are_not_counted_when_that_is_too_much_or_impossible(limit, released, monkeypatch):
    if limit:
        monkeypatch.setattr(limit, 100)
    else:
        lose(released, "prepare")
    released.files["data/c.jsonl"] = [200]
    assert step(released.plan(), "prepare").reason == "files: data/c.jsonl added"


LISTS = [
    # edit of the evaluation, step, its reason, what stands on the line that it names
    (lambda e: e["gates"][1].update(at_least=0.8), "gate", "evaluation.gates.1.at_least 0.9 → 0.8", "at_least: 0.8"),
    (lambda e: e["gates"][0]["by"].update(points=5), "gate", "evaluation.gates.0.by.points 10.0 → 5.0", "points: 5"),
    (
        lambda e: e["gates"].pop(),
        "gate",
        'evaluation.gates −{"at_least": 0.9, "metric": "format_compliance"}',
        "gates:",
    ),
    (
        lambda e: e["metrics"].append("exact_match.size"),
        "score",
        "evaluation.metrics +exact_match.size",
        "metrics:",
    ),
]


@pytest.mark.parametrize(("edit", "name", "reason", "text"), LISTS)
def test_a_change_in_a_list_names_the_item_and_its_line(edit, name, reason, text, released):
    edit(released.spec["evaluation"])
    found, line = re.fullmatch(r"(.*) \(spec\.yaml:(\d+)\)", step(released.plan(), name).reason).groups()
    assert found == reason
    assert text in (released.root / "specs/bot/spec.yaml").read_text().splitlines()[int(line) - 1]


def test_many_files_are_not_listed(released):
    released.files |= {f"data/n{n}.jsonl": [200 + n] for n in range(5)}
    assert step(released.plan(), "prepare").reason == (
        "rows +5 −0 ~0: data/n0.jsonl added, data/n1.jsonl added, data/n2.jsonl added, 2 more added"
    )


def test_retried_step_says_what_it_failed_with(released, monkeypatch):
    from runner.errors import TerminalError

    class Fails:
        def train(self, job, report):
            raise TerminalError("the loss is not a number")

    released.spec["training"]["learning_rate"] = 0.002
    with monkeypatch.context() as patch:
        patch.setattr("runner.steps.train.open_backend", lambda _: Fails())
        released.apply()
    assert codes(released.plan())["train"] == "failed_before"
    again = step(released.plan(retry=True), "train")
    assert again.reason_code == "retried"
    assert "it failed with the loss is not a number" in again.reason


def test_an_apply_says_the_same_once_it_knows(released):
    told = {}

    class Watching(Silent):
        def decided(self, spec, decision):
            told[decision.step] = decision.reason

    released.files["data/c.jsonl"] = list(range(120, 150))
    plan = released.plan()
    executor = LocalExecutor(released.registry, released.root / "cache", silent)
    apply_plan(plan, released.subjects(), Reconciler(released.registry, executor, released.delivery(), Watching()))
    assert told["prepare"] == "rows +30 −0 ~0: data/c.jsonl added"
    assert told["train"].startswith("training rows +")


def misses(world, only=None):
    return {miss.step: miss for miss in why_miss(world.plan(), world.subjects(), History(world.registry), only)}


def test_why_miss_names_the_nearest_record_and_what_would_be_a_hit(released):
    learn_faster(released)
    released.apply(through="train")
    released.spec["training"] |= {"learning_rate": 0.003, "seed": 7}
    found = misses(released)
    assert set(found) == {"train", "predict_tuned", "score", "gate"}
    nearest = found["train"].nearest
    assert (nearest.spec, nearest.version, nearest.commit, nearest.missing) == ("bot", "1.1.0", "c" * 40, [])
    assert [(change.path, change.old) for change in found["train"].changes] == [
        ("training.learning_rate", 0.002),
        ("training.seed", 42),
    ]
    assert found["train"].hit_if == ["training.learning_rate 0.002 (spec.yaml:15)", "training.seed 42 (spec.yaml:16)"]
    assert found["predict_tuned"].key is None
    # And it is a hit then.
    released.spec["training"] |= {"learning_rate": 0.002, "seed": 42}
    assert "train" not in misses(released)


def test_why_miss_tells_rows_with_their_lines(released):
    released.files["data/b.jsonl"] = [*range(80, 119), 300]
    (rows,) = misses(released, "prepare")["prepare"].rows
    assert [(row.file, row.line) for row in (*rows.added, *rows.removed)] == [("specs/bot/data/b.jsonl", 40)] * 2
    released.apply(through="prepare")
    inputs = {rows.input: rows for rows in misses(released, "train")["train"].rows}
    places = [(place.file, place.line) for rows in inputs.values() for place in (*rows.added, *rows.removed)]
    assert set(places) <= {("specs/bot/data/b.jsonl", 40)}


def test_why_miss_tells_which_artifact_is_lost(released):
    released.apply(through="gate")
    lose(released, "score")
    miss = misses(released)["score"]
    assert miss.nearest.key == miss.key
    assert miss.nearest.missing == ["scores"]
    assert miss.hit_if == ["its artifact scores restored from a copy of the store"]


def test_what_follows_a_step_that_runs_elsewhere_waits_for_it(released):
    learn_faster(released)
    released.write()
    (subject,) = released.subjects()
    walk = look(Walk(subject, released.registry, released.delivery()))
    decisions = walk.decisions | {"train": Decision("train", "WAIT", "another run is at it")}
    causes = Tracer(walk, decisions, {}).causes("predict_tuned")
    assert [(cause.step, cause.action) for cause in causes] == [("predict_tuned", "DEPENDS"), ("train", "WAIT")]
    assert reason_of(decisions["predict_tuned"], causes, subject) == "because train is under way elsewhere"
