"""Other content under a released number: the error names the number that fits the change, and says why."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import world as worlds
from world import World, fake_weights

from runner.plan.next_version import RULES, bump_for

DOCS = Path(__file__).parents[2] / "docs" / "releases.md"


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    return World(tmp_path)


def refusal(world) -> str:
    """Return what blocks the apply; where `prepare` must run first, only that can tell what changed."""
    return str(world.apply()[1].blocked)


def more_rows(world):
    world.files["data/c.jsonl"] = list(range(120, 150))


def other_schema(world, monkeypatch):
    schema = {**worlds.SCHEMA, "properties": {**worlds.SCHEMA["properties"], "note": {"type": "string"}}}
    monkeypatch.setattr(worlds, "SCHEMA", schema)


CASES = [
    # edit of the released 1.0.0, next number, the path that asks for it
    (more_rows, "1.1.0", "minor: train changed: it learned from other rows"),
    (lambda w: w.spec["training"].update(learning_rate=0.002), "1.0.1", "patch: training.learning_rate changed"),
    (lambda w: w.spec["training"].update(seed=7), "1.0.1", "patch: training.seed changed"),
    (lambda w: w.spec["training"].update(method="full"), "1.1.0", "minor: training.method changed"),
    (lambda w: w.spec.update(engine="transformers"), "1.0.1", "patch: engine changed"),
    (
        lambda w: w.spec["evaluation"].update(generation={"max_new_tokens": 65}),
        "1.1.0",
        "minor: evaluation.generation.max_new_tokens changed",
    ),
    (lambda w: setattr(w, "base", "other weights"), "2.0.0", "major: base_model changed"),
    (lambda w: w.spec["dataset"].update(system_prompt="Sort!"), "2.0.0", "major: dataset.system_prompt changed"),
    (lambda w: (more_rows(w), w.spec["dataset"].update(label="size")), "2.0.0", "major: dataset.label changed"),
]


@pytest.mark.parametrize(("edit", "number", "because"), CASES)
def test_the_next_number_fits_the_change(world, edit, number, because):
    world.apply()
    edit(world)
    assert f"`version: {number}` ({because}" in refusal(world)


def test_another_output_format_is_a_major_change(world, monkeypatch):
    world.apply()
    more_rows(world)
    other_schema(world, monkeypatch)
    assert "`version: 2.0.0` (major: evaluation.output_format.json_schema changed" in refusal(world)


def test_the_number_comes_after_the_newest_release(world):
    world.apply()
    world.spec["version"] = "1.4.0"
    more_rows(world)
    world.apply()
    world.spec["version"] = "1.0.0"
    world.spec["training"]["learning_rate"] = 0.002
    assert re.search(r"`version: 1\.4\.1` \(patch: .*, after 1\.4\.0, the newest\)", refusal(world))


@pytest.mark.parametrize(
    ("paths", "bump", "path"),
    [
        ([], "minor", ""),
        (["training.lora.r"], "patch", "training.lora.r"),
        (["training.lora.r", "train"], "minor", "train"),
        (["train", "base_model", "engine"], "major", "base_model"),
        (["training.objective", "training.seed"], "minor", "training.objective"),
        (["something.new"], "minor", "something.new"),
    ],
)
def test_the_largest_change_decides(paths, bump, path):
    assert (bump_for(paths)[0], bump_for(paths)[2]) == (bump, path)


def test_the_rules_are_documented():
    rows = re.findall(
        r"^\| `([\w.]+)`.* \| (major|minor|patch) \| (.+) \|$", DOCS.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [(path, (bump, why)) for path, bump, why in rows] == list(RULES.items())
