"""What a plan says a step will take: by earlier records of the same base model, scaled; nothing without them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest
from tiny import make_tiny_llama
from world import World, fake_weights

from runner.models.memory import Memory
from runner.plan.build import build_plan
from runner.report.text import render_plan


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    world = World(tmp_path)
    world.apply()
    # A release never changes; what is planned next is another version.
    world.spec |= {"version": "1.1.0"}
    return world


def estimate(plan, step):
    return plan.specs[0].step(step).estimate


def rewrite(world, step, seconds, key=None, **metrics) -> None:
    """Have the record of a step say that it took some time; with `key`, as one more record."""
    (file,) = [f for f in (world.root / "registry/store/records" / step).glob("*/1.json") if f.parent.name != "0" * 64]
    record = json.loads(file.read_text())
    record["metrics"] |= metrics
    record["finished"] = (datetime.fromisoformat(record["started"]) + timedelta(seconds=seconds)).isoformat()
    if key:
        record["key"] = key
        file = file.parents[1] / key / "1.json"
        file.parent.mkdir()
    file.unlink(missing_ok=True)
    file.write_text(json.dumps(record))


def test_nothing_is_said_without_records(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    fresh = World(tmp_path)
    for step in fresh.plan().specs[0].steps:
        assert step.estimate.model_dump(exclude_none=True) == {}


def test_training_is_scaled_by_epochs_and_rows_but_loading_is_not(world):
    # 20 s of loading, 80 s of learning 8000 tokens in 2 epochs.
    rewrite(world, "train", 100, tokens=8000, tokens_per_second=100.0, epochs=2)
    world.spec["training"]["num_epochs"] = 6
    assert estimate(world.plan(), "train").seconds == pytest.approx(20 + 80 * 3)
    before = world.registry.records("prepare")
    rows = next(iter(before)).metrics["rows"]["train"]
    world.files["data/c.jsonl"] = list(range(120, 240))
    world.apply(through="prepare")
    more = next(r for r in world.registry.records("prepare") if r.metrics["rows"]["train"] != rows)
    assert estimate(world.plan(), "train").seconds == pytest.approx(
        20 + 80 * 3 * more.metrics["rows"]["train"] / rows, abs=0.1
    )


def test_several_records_give_a_range(world):
    rewrite(world, "train", 100, tokens=8000, tokens_per_second=100.0, epochs=2)
    rewrite(world, "train", 60, key="0" * 64, tokens=8000, tokens_per_second=200.0, epochs=2)
    world.spec["training"]["learning_rate"] = 0.002
    found = estimate(world.plan(), "train")
    assert (found.low, found.seconds, found.high) == (60, 80, 100)


def test_another_base_model_says_nothing_about_this_one(world):
    rewrite(world, "train", 100)
    rewrite(world, "predict_base", 100)
    world.base = "other weights"
    plan = world.plan()
    assert plan.specs[0].step("train").action == "RUN"
    assert estimate(plan, "train").seconds is None
    assert estimate(plan, "predict_base").seconds is None


def test_answers_are_scaled_by_prompts_and_told_for_steps_that_may_run(world):
    answers = next(iter(world.registry.records("predict_tuned"))).metrics["answers"]
    rewrite(world, "predict_tuned", answers * 2.0)
    world.spec["training"]["learning_rate"] = 0.002
    plan = world.plan()
    assert plan.specs[0].step("predict_tuned").action == "DEPENDS"
    assert estimate(plan, "predict_tuned").seconds == pytest.approx(answers * 2, abs=0.1)
    assert estimate(plan, "predict_base").seconds is None  # reused
    assert "up to 1 min 4" in render_plan(plan, color=False)


def test_the_digest_covers_no_estimate(world):
    world.spec["training"]["learning_rate"] = 0.002
    before = world.plan()
    rewrite(world, "train", 1234)
    after = world.plan(memory=Memory("cpu", 10**10))
    assert estimate(after, "train").seconds != estimate(before, "train").seconds
    assert after.digest == before.digest


def test_every_record_is_read_once_however_many_specs_ask(world):
    world.spec["training"]["learning_rate"] = 0.002
    world.write()
    asked, read = [], []

    class Counting:
        def __getattr__(self, name):
            return getattr(world.registry, name)

        def summaries(self, step):
            asked.append(step)
            return world.registry.summaries(step)

        def latest(self, step, key):
            read.append(key)
            return world.registry.latest(step, key)

    build_plan(world.subjects() * 3, Counting(), world.delivery())
    assert asked.count("train") == 1
    assert len(read) == len(set(read))


def test_memory_is_told_with_a_remedy_where_it_does_not_fit(world, monkeypatch):
    # After `write`, which writes the fake base: a real one's configuration beside it.
    monkeypatch.setattr(world, "write_base", lambda: make_tiny_llama(world.root / "base"))
    fits = world.plan(memory=Memory("cpu", 8 * 10**9))
    need = estimate(fits, "train").memory
    assert need.total == sum(
        getattr(need, n) for n in type(need).model_fields if n not in ("total", "available", "device", "remedy")
    )
    assert need.remedy is None
    assert "train needs about 0.5 GB (runtime 0.5) of 8.0 GB of memory" in render_plan(fits, color=False)
    tight = world.plan(memory=Memory("cpu", 10**8))
    assert "which does not fit: a smaller base_model" in render_plan(tight, color=False)
    assert json.loads(tight.model_dump_json())["specs"][0]["steps"][1]["estimate"]["memory"]["available"] == 10**8


def test_memory_is_left_out_for_a_model_that_tells_nothing(world):
    world.spec["training"]["learning_rate"] = 0.002
    assert estimate(world.plan(memory=Memory("cpu", 10**9)), "train").memory is None


def test_longest_row_bounds_the_memory_once_it_is_known(world, monkeypatch):
    monkeypatch.setattr(world, "write_base", lambda: make_tiny_llama(world.root / "base"))
    world.spec["training"] |= {"max_length": 8192, "micro_batch_size": 1}
    known = estimate(world.plan(memory=Memory("cpu", 8 * 10**9)), "train").memory
    for file in (world.root / "registry/store/records/prepare").glob("*/1.json"):
        file.unlink()
    unknown = estimate(world.plan(memory=Memory("cpu", 8 * 10**9)), "train").memory
    assert known.activations * 10 < unknown.activations
