"""The table of design §5, row by row: after a release, one edit, and exactly these steps run."""

from __future__ import annotations

import copy

import pytest
from edits import EDITS, ask, measure
from world import World, fake_weights

ALL = ["prepare", "train", "predict_base", "predict_tuned", "predict_champion", "score", "gate", "deploy"]


def bump(world: World) -> None:
    world.spec["version"] = "1.1.0"


def describe(world):
    world.spec |= {"description": "sorts", "owner": "me", "compute": {"profile": "default"}}


def reorder_keys(world):
    world.spec = dict(reversed(world.spec.items()))


def comment(world):
    world.respell = lambda text: "# why\n" + text.replace("\nname:", "  # so\n\nname:")


def other_spelling(world):
    world.respell = lambda text: text.replace("validation: 0.1\n", "validation: 0.10\n").replace("0.001", "1.0e-3")


def by_size(world):
    world.spec["evaluation"]["slices"] = ["size"]


def extract_json(world):
    world.spec["evaluation"]["output_format"]["extract"] = True


def short_answers(world):
    world.spec["evaluation"]["output_format"]["max_length"] = 500


def several_answers(world):
    world.spec["evaluation"]["generation"] = {"temperature": 0.7, "samples": 2}


def add_own_metric(world):
    measure(world, "exact_match", "macro_f1", "says_red", own=({"name": "says_red", "contains": "red"},))


def define_unused_metric(world):
    measure(world, "exact_match", "macro_f1", own=({"name": "says_red", "contains": "red"},))


def add_program(world):
    EDITS["program"](world, 1)


def add_latency(world):
    measure(world, "exact_match", "macro_f1", "latency_p95")


def ask_for_proof(world):
    world.spec["evaluation"]["gates"][0]["proof"] = "strict"


def judge_sizes(world):
    world.spec["evaluation"]["slices"] = ["size"]
    ask(world, {"metric": "exact_match", "beats": "base", "slice": "size"})


def let_pass_what_is_unsure(world):
    world.spec["evaluation"]["on_inconclusive"] = "warn"


def add_kept_floor(world):
    world.config["policy"] = {"floors": [{"beats": "base"}], "min_test_rows": 10}


def add_missed_floor(world):
    world.config["policy"] = {"floors": [{"metric": "macro_f1", "at_least": 0.5}], "min_test_rows": 5000}


def compare_with_first(world):
    ask(world, {"metric": "exact_match", "not_worse_than": "version:1.0.0", "margin": {"points": 20}})


def spell_out_defaults(world):
    world.spec["training"] |= {"lora": {"r": 16, "alpha": 32}, "batch_size": 16, "micro_batch_size": 4, "seed": 42}
    world.spec["training"] |= {"train_on": "all_turns", "train_on_prompt": False}
    world.spec["evaluation"] |= {"custom_metrics": [], "slices": [], "on_inconclusive": "fail"}
    world.spec["evaluation"]["generation"] = {"samples": 1, "temperature": 0}


def loosen_gate(world):
    world.spec["evaluation"]["gates"][1]["at_least"] = 0.8


def add_metric(world):
    world.spec["evaluation"]["metrics"].append("exact_match.colour")


def other_label(world):
    world.spec["dataset"]["label"] = "size"


def longer_answers(world):
    world.spec["evaluation"]["generation"] = {"max_new_tokens": 99}


def other_engine(world):
    world.spec["engine"] = "transformers"


def learning_rate(world):
    world.spec["training"]["learning_rate"] = 0.002


def rank(world):
    world.spec["training"]["lora"] = {"r": 8}


def more_epochs(world):
    world.spec["training"]["num_epochs"] = 3


def other_seed(world):
    world.spec["training"]["seed"] = 7


def other_base(world):
    world.base = "other weights"


def rows_in(world: World, split: str, count: int) -> list[int]:
    """Find unused rows that hash into a split."""
    from runner.data.prepare import prepare
    from runner.spec.models import Dataset

    world.files["data/probe.jsonl"] = list(range(200, 400))
    world.write()
    folder = world.root / "specs" / "bot"
    prepared = prepare(Dataset.model_validate(world.spec["dataset"]), folder, world.root, None)
    del world.files["data/probe.jsonl"]
    numbers = [int(row.messages[1]["content"].split()[1]) for row in getattr(prepared, split)]
    return [number for number in numbers if number >= 200][:count]


def chat_template(world):
    (world.root / "specs" / "bot" / "chat.jinja").write_text("{{ messages[0].content }}")
    world.spec["chat_template"] = "chat.jinja"


def last_turn(world):
    world.spec["training"]["train_on"] = "last_turn"


def add_training_rows(world):
    world.files["data/c.jsonl"] = rows_in(world, "train", 5)


def add_test_rows(world):
    world.files["data/c.jsonl"] = rows_in(world, "test", 5)


def system_prompt(world):
    world.spec["dataset"]["system_prompt"] = "Sort this thing."


def rename_files(world):
    world.files = {f"data/renamed-{n}.jsonl": rows for n, rows in enumerate(world.files.values())}


def reorder_rows(world):
    world.files = {name: rows[::-1] for name, rows in world.files.items()}


def move_rows(world):
    a, b = world.files["data/a.jsonl"], world.files["data/b.jsonl"]
    world.files = {"data/a.jsonl": a[:50], "data/b.jsonl": b + a[50:]}


def check_severity(world):
    world.spec["dataset"]["checks"] = {"pii": "error"}


def alias(world):
    world.spec["deployment"] = {"alias": "canary"}


CASES = [
    # edit, with a new version?, steps that run
    (describe, False, []),
    (reorder_keys, False, []),
    (comment, False, []),
    (other_spelling, False, []),
    (spell_out_defaults, False, []),
    (lambda _: None, True, ["deploy"]),
    (loosen_gate, True, ["gate", "deploy"]),
    (add_metric, True, ["score", "gate", "deploy"]),
    (other_label, True, ["prepare", "score", "gate", "deploy"]),
    (by_size, True, ["prepare", "score", "gate", "deploy"]),
    (extract_json, True, ["prepare", "score", "deploy"]),
    (short_answers, True, ["prepare", "score", "deploy"]),
    (add_own_metric, True, ["score", "gate", "deploy"]),
    (define_unused_metric, False, []),
    (add_program, True, ["score", "gate", "deploy"]),
    (add_latency, True, ["score", "gate", "deploy"]),
    (ask_for_proof, True, ["gate", "deploy"]),
    (judge_sizes, True, ["prepare", "score", "gate", "deploy"]),
    (let_pass_what_is_unsure, True, ["gate", "deploy"]),
    (several_answers, True, ["predict_base", "predict_tuned", "score", "gate", "deploy"]),
    (longer_answers, True, ["predict_base", "predict_tuned", "score", "gate", "deploy"]),
    (other_engine, True, ["predict_base", "predict_tuned", "score", "gate", "deploy"]),
    (learning_rate, True, ["train", "predict_tuned", "score", "gate", "deploy"]),
    (rank, True, ["train", "predict_tuned", "score", "gate", "deploy"]),
    (more_epochs, True, ["train", "predict_tuned", "score", "gate", "deploy"]),
    (other_seed, True, ["train", "predict_tuned", "score", "gate", "deploy"]),
    (other_base, True, ["train", "predict_base", "predict_tuned", "score", "gate", "deploy"]),
    (chat_template, True, ["train", "predict_base", "predict_tuned", "score", "gate", "deploy"]),
    (last_turn, True, ["train", "predict_tuned", "score", "gate", "deploy"]),
    (add_training_rows, True, ["prepare", "train", "predict_tuned", "score", "gate", "deploy"]),
    (add_test_rows, True, ["prepare", "predict_base", "predict_tuned", "score", "gate", "deploy"]),
    (system_prompt, True, ALL),
    (rename_files, False, []),
    (reorder_rows, False, ["prepare"]),
    (move_rows, False, ["prepare"]),
    (check_severity, False, ["prepare"]),
    (alias, False, ["deploy"]),
    (add_kept_floor, False, []),
    # What a released version already decided is not asked again.
    (loosen_gate, False, []),
    (add_metric, False, ["score"]),
]

# What the registry and the policy have a part in, so that two specs alone do not tell it.
CIRCUMSTANCES = [
    (add_kept_floor, True, ["deploy"]),
    (add_missed_floor, False, []),
    (compare_with_first, True, ["predict_champion", "score", "gate", "deploy"]),
    (compare_with_first, False, []),
    (judge_sizes, False, ["prepare", "score"]),
    (ask_for_proof, False, []),
]


@pytest.mark.parametrize(("edit", "new_version", "expected"), CASES + CIRCUMSTANCES)
def test_edit_runs_exactly(edit, new_version, expected, tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    world = World(tmp_path)
    _, first = world.apply()
    assert first.exit_code == 0
    assert first.ran == [step for step in ALL if step != "predict_champion"]

    edit(world)
    if new_version:
        bump(world)
    plan, outcome = world.apply()

    assert outcome.exit_code == 0, outcome
    assert outcome.ran == expected
    may_run = {step.step for step in plan.specs[0].steps if step.action in ("RUN", "DEPENDS")}
    assert set(expected) <= may_run


@pytest.mark.parametrize(("edit", "new_version", "expected"), CASES + CIRCUMSTANCES)
def test_undoing_an_edit_reuses_everything(edit, new_version, expected, tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    world = World(tmp_path)
    world.apply()
    before = (world.spec, dict(world.files), world.base)
    world.spec = copy.deepcopy(world.spec)
    edit(world)
    if new_version:
        bump(world)
    assert world.apply()[1].ran == expected
    moved = world.registry.live("bot", "production").version != "1.0.0"

    (world.spec, world.files, world.base), world.respell = before, str
    plan, outcome = world.apply()

    assert outcome.exit_code == 0
    assert outcome.ran == (["deploy"] if moved else [])
    assert outcome.gate.key == world.registry.version("bot", "1.0.0").keys["gate"]
    actions = {step.step: step.action for step in plan.specs[0].steps}
    assert actions.pop("deploy") == ("RUN" if moved else "NONE")
    assert set(actions.values()) <= {"REUSE", "NONE"}
    assert plan.summary["train"] == 0
    assert world.registry.live("bot", "production").version == "1.0.0"
    assert world.plan().idle
