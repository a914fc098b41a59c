"""Release notes say what changed and what it did, from facts; what cannot be compared is said not to be."""

from __future__ import annotations

import re

import pytest
from world import World, fake_weights

from runner.errors import UsageError
from runner.plan.build import look
from runner.plan.walk import Walk
from runner.report.notes import write_notes
from runner.report.releases import candidate_side, predecessor, released_side, render_notes


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    return World(tmp_path)


def notes(world, version, since=None):
    new = released_side(world.registry.version("bot", version), world.registry)
    old = released_side(world.registry.version("bot", since), world.registry) if since else None
    return write_notes("bot", new, old, "exact_match", world.registry)


def next_version(world, edit, version="1.1.0"):
    world.apply()
    world.spec["version"] = version
    edit(world)
    assert world.apply()[1].exit_code == 0
    return notes(world, version, "1.0.0")


def test_a_first_release_is_told_from_its_base(world):
    world.apply()
    found = notes(world, "1.0.0")
    assert re.fullmatch(
        r"1\.0\.0: first release; exact match 0\.00 → 1\.00 \(\+100, CI \+[\d.]+…\+[\d.]+\) against its base",
        found.line,
    )
    assert found.metric.low > 0.8


EDITS = [
    (lambda w: w.spec["training"].update(learning_rate=0.0002), "learning_rate 0.001 → 2e-4"),
    (lambda w: w.spec["training"].update(lora={"r": 8}), "lora.r 16 → 8"),
    (lambda w: w.spec.update(engine="transformers"), "engine llama_cpp → transformers"),
    (
        lambda w: w.spec["evaluation"].update(generation={"max_new_tokens": 65}),
        "max_new_tokens 256 → 65",
    ),
    (lambda w: setattr(w, "base", "other weights"), "base model changed"),
    (lambda w: w.spec["evaluation"]["gates"].pop(), "gates changed"),
    (lambda w: w.spec.update(owner="somebody else"), "the same model"),
]


@pytest.mark.parametrize(("edit", "words"), EDITS)
def test_what_changed_is_said(world, edit, words):
    found = next_version(world, edit)
    assert found.line.startswith(f"1.1.0: {words}; exact match 1.00 → 1.00 (+0, CI −")


def test_rows_are_counted(world):
    def edit(world):
        # Adding rows moves no old one, so some of these are new test rows.
        world.files["data/c.jsonl"] = list(range(120, 170))
        world.files["data/a.jsonl"].remove(next(n for n in range(80)))

    found = next_version(world, edit)
    by_path = {change.path: change.words for change in found.changes}
    assert re.fullmatch(r"\+\d+( −1)? examples", by_path["train"])
    added = sum(int(words.split()[0]) for words in by_path.values() if words.startswith("+"))
    assert added == 50


def test_what_the_gates_compared_on_the_new_rows_is_compared(world):
    found = next_version(world, lambda w: w.files.update({"data/c.jsonl": list(range(120, 170))}))
    assert found.metric.n == len(rows_of_test(world))
    assert found.metric.difference == 0


def test_other_test_rows_are_not_compared(world):
    world.apply()
    for number, version in enumerate(("1.1.0", "1.2.0"), start=1):
        world.spec["version"] = version
        world.files[f"data/c{number}.jsonl"] = list(range(100 + 50 * number, 150 + 50 * number))
        world.apply()
    found = notes(world, "1.2.0", "1.0.0")
    assert found.line.endswith("; exact match 1.00 → 1.00 (not compared on the same rows)")
    assert found.metric.difference is None


def test_other_rules_are_not_compared(world):
    found = next_version(world, lambda w: w.spec["dataset"].update(label="size"))
    assert found.line == "1.1.0: label colour → size; exact match 1.00 → 1.00 (not compared: judged by other rules)"


def test_lost_scores_are_said_to_be_missing(world):
    next_version(world, lambda w: w.spec["training"].update(learning_rate=0.0002))
    old = world.registry.version("bot", "1.0.0")
    side = released_side(old, world.registry)
    new = released_side(world.registry.version("bot", "1.1.0"), world.registry)
    digest = side.records["score"].outputs["scores"].digest
    (world.root / "registry/store/blobs/sha256" / digest[:2] / digest[2:]).unlink()
    with pytest.raises(UsageError, match="no record of score"):
        released_side(old, world.registry)
    assert write_notes("bot", new, side, "exact_match", world.registry).metric.difference == 0


def test_a_candidate_has_notes_too(world):
    world.apply()
    world.spec["version"] = "1.1.0"
    world.spec["training"]["learning_rate"] = 0.5
    with pytest.raises(UsageError, match="no record of train"):
        candidate_side(walk(world))
    world.apply()
    old = released_side(world.registry.version("bot", "1.0.0"), world.registry)
    found = write_notes("bot", candidate_side(walk(world)), old, "exact_match", world.registry)
    assert (found.released, found.verdict) == (False, "FAIL")
    assert "learning_rate 0.001 → 0.5; exact match 1.00 → 0.00 (−100, CI −" in found.line
    text = render_notes(found)
    assert text.startswith("## `bot` 1.1.0 (since 1.0.0), not released yet\n\n- learning_rate 0.001 → 0.5\n")
    assert "- gates: FAIL" in text


@pytest.mark.parametrize(("version", "before"), [("1.0.0", None), ("1.0.1", "1.0.0"), ("1.10.0", "1.9.0")])
def test_the_release_before(world, version, before):
    world.apply()
    first = world.registry.version("bot", "1.0.0")
    released = [first, first.model_copy(update={"version": "1.9.0"}), first.model_copy(update={"version": "2.0.0"})]
    found = predecessor(version, released)
    assert (found.version if found else None) == before


def walk(world):
    world.write()
    (subject,) = world.subjects()
    return look(Walk(subject, world.registry, world.delivery()))


def rows_of_test(world):
    version = world.registry.versions("bot")[-1]
    record = world.registry.record("prepare", version.keys["prepare"])
    return world.registry.read(record.outputs["test"]).splitlines()
