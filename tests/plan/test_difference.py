"""What a change of a spec means: its class is that of the step keys that really differ."""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan.test_plan_predicts_apply import EDITS
from plan.test_what_reruns_what import CASES, rows_in
from world import World, fake_weights

from runner.plan.difference import CLASSES, classify, compare_subjects
from runner.plan.model import ChangeClass
from runner.registry.facts import STEPS

COSTLIEST_FIRST = [*dict.fromkeys(CLASSES.values()), "nothing"]
CONTENT_EDITS = sorted(set(EDITS) - {"branch"})


def edited(folder: Path, *edits) -> World:
    folder.mkdir()
    world = World(folder)
    world.write()
    for edit in edits:
        edit(world)
    world.write()
    return world


def difference(tmp_path: Path, *edits):
    old, new = edited(tmp_path / "old"), edited(tmp_path / "new", *edits)
    return compare_subjects(old.subjects()[0], new.subjects()[0])


def expected_class(steps: list[str], *, new_version: bool) -> ChangeClass:
    return classify([step for step in steps if step != "deploy" or new_version or steps == ["deploy"]])


@pytest.mark.parametrize(("edit", "new_version", "steps"), CASES[:-2])
def test_every_row_of_the_design_has_its_class(tmp_path, edit, new_version, steps):
    def bump(world):
        if new_version:
            world.spec["version"] = "1.1.0"

    found = difference(tmp_path, edit, bump)
    assert found.change_class == expected_class(steps, new_version=new_version)
    back = compare_subjects(
        *[edited(tmp_path / f"again-{n}", *e).subjects()[0] for n, e in enumerate([(edit, bump), ()])]
    )
    assert back.change_class == found.change_class


def gates(world, **changes):
    world.spec["evaluation"]["gates"][1].update(changes)


@pytest.mark.parametrize(
    ("edit", "flags"),
    [
        (lambda w: gates(w, at_least=0.1), ["gate_changed"]),
        (lambda w: w.spec["evaluation"]["gates"].pop(), ["gate_changed"]),
        (lambda w: w.spec["evaluation"].update(on_inconclusive="warn"), ["gate_changed"]),
        (lambda w: w.files.update({"data/c.jsonl": rows_in(w, "test", 1)}), ["test_set_changed"]),
        (lambda w: w.files.update({"data/c.jsonl": rows_in(w, "train", 1)}), []),
        (lambda w: w.spec["evaluation"].update(output_format={"regex": ".*"}), ["output_format_changed"]),
        (lambda w: w.spec["evaluation"]["metrics"].append("exact_match.size"), ["metrics_changed"]),
        (lambda w: w.spec["dataset"].update(label="size"), ["metrics_changed"]),
        (lambda w: w.spec["dataset"].update(checks={"pii": "ignore"}), ["data_checks_changed"]),
        (lambda w: w.spec["training"].update(learning_rate=0.5), []),
        (lambda w: w.spec.update(owner="somebody"), []),
    ],
)
def test_a_change_of_the_bar_is_flagged(tmp_path, edit, flags):
    assert difference(tmp_path, edit).flags == flags


def test_fields_are_told_with_old_value_new_value_and_line(tmp_path):
    def edit(world):
        world.spec["training"]["learning_rate"] = 0.002
        world.spec["owner"] = "me"
        world.spec["evaluation"]["gates"][0]["by"] = {"points": 5}
        del world.spec["dataset"]["label"]

    found = {change.path: change for change in difference(tmp_path, edit).changes}
    assert list(found) == ["owner", "training.learning_rate", "evaluation.gates.0.by.points", "dataset.label"]
    rate = found["training.learning_rate"]
    lines = (tmp_path / "new/specs/bot/spec.yaml").read_text().splitlines()
    assert (rate.old, rate.new) == (0.001, 0.002)
    assert lines[rate.line - 1].strip() == "learning_rate: 0.002"
    gone = found["dataset.label"]
    lines = (tmp_path / "old/specs/bot/spec.yaml").read_text().splitlines()
    assert (gone.old, gone.new, lines[gone.line - 1].strip()) == ("colour", None, "label: colour")


def test_rows_are_counted_by_split(tmp_path):
    def edit(world):
        world.files["data/c.jsonl"] = rows_in(world, "train", 4) + rows_in(world, "test", 2)
        world.files["data/a.jsonl"] = world.files["data/a.jsonl"][1:]

    rows = difference(tmp_path, edit).rows
    assert sum(count.removed for count in rows.values()) == 1
    assert rows["train"].added == 4
    assert rows["test"].added == 2
    assert not any(count.changed for count in rows.values())


def test_rows_that_cannot_be_read_are_taken_for_changed(tmp_path):
    old, new = edited(tmp_path / "old"), edited(tmp_path / "new")
    file = new.root / "specs/bot/data/a.jsonl"
    file.write_text(file.read_text() + "no json\n")
    found = compare_subjects(old.subjects()[0], new.subjects()[0])
    assert (found.change_class, found.flags) == ("retrain", ["test_set_changed"])
    assert "specs/bot/data/a.jsonl:81" in found.note
    assert found.rows == {}


def test_content_of_files_that_a_field_names(tmp_path):
    def template(text):
        def write(world):
            (world.root / "specs/bot/chat.jinja").write_text(text)
            world.spec["chat_template"] = "chat.jinja"

        return write

    old = edited(tmp_path / "old", template("a"))
    new = edited(tmp_path / "new", template("b"), lambda w: setattr(w, "base", "other"))
    found = compare_subjects(old.subjects()[0], new.subjects()[0])
    assert [change.path for change in found.changes] == ["base_model (content)", "chat_template (content)"]
    assert found.change_class == "retrain"


edits = st.lists(st.tuples(st.sampled_from(CONTENT_EDITS), st.integers(0, 2)), max_size=3)


def make(folder: Path, history) -> World:
    return edited(folder, *(lambda w, e=EDITS[name], n=n: e(w, n) for name, n in history))


def real_keys(world: World) -> dict[str, str]:
    """Return the keys that an apply in an empty registry gives the steps."""
    _, outcome = world.apply()
    assert outcome.error is None, outcome.error
    keys = {step: [record.key for record in world.registry.records(step)] for step in STEPS}
    assert all(len(found) == 1 for step, found in keys.items() if step not in ("predict_champion", "deploy"))
    return {step: found[0] for step, found in keys.items() if found}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits, edits, st.booleans())
def test_the_class_is_that_of_the_keys_that_really_differ(monkeypatch, before, after, bump):
    fake_weights(monkeypatch)
    with tempfile.TemporaryDirectory() as folder:
        old, new = make(Path(folder) / "old", before), make(Path(folder) / "new", after)
        if bump:
            new.spec["version"] = "1.1.0"
            new.write()
        found = compare_subjects(old.subjects()[0], new.subjects()[0])
        sides = [real_keys(world) for world in (old, new)]
        differing = [step for step in CLASSES if step != "deploy" and sides[0].get(step) != sides[1].get(step)]
        if bump or old.spec.get("deployment") != new.spec.get("deployment"):
            aliases = [world.subjects()[0].spec.deployment.alias for world in (old, new)]
            differing += ["deploy"] if bump or aliases[0] != aliases[1] else []
        assert found.change_class == classify(differing)
        assert (found.change_class == "nothing") == (not differing)
        assert set(differing) <= set(found.steps)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits, edits)
def test_a_plan_never_says_less_than_the_difference(monkeypatch, before, after):
    fake_weights(monkeypatch)
    with tempfile.TemporaryDirectory() as folder:
        world = make(Path(folder) / "world", before)
        _, outcome = world.apply()
        as_it_is = {"spec": copy.deepcopy(world.spec), "base": world.base}
        as_it_is |= {"config": dict(world.config), "scripts": dict(world.scripts)}
        old = edited(Path(folder) / "old", lambda w: w.__dict__.update(as_it_is))
        old.files = dict(world.files)
        old.write()
        for name, number in after:
            EDITS[name](world, number)
        world.spec["version"] = "1.1.0"
        spec = world.plan().specs[0]
        if outcome.deployment is None:
            assert spec.change_class == "new"
            return
        found = compare_subjects(old.subjects()[0], world.subjects()[0])
        assert COSTLIEST_FIRST.index(spec.change_class) <= COSTLIEST_FIRST.index(found.change_class)
        known = {"gate_changed", "output_format_changed", "metrics_changed", "data_checks_changed"}
        assert known & set(spec.flags) == known & set(found.flags)


def test_a_plan_with_nothing_to_do_says_nothing(monkeypatch, tmp_path):
    fake_weights(monkeypatch)
    world = World(tmp_path)
    assert world.plan().specs[0].change_class == "new"
    world.apply()
    assert world.plan().specs[0].change_class == "nothing"
    world.spec["version"] = "1.1.0"
    assert world.plan().specs[0].change_class == "redeploy"
