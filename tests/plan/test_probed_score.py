"""A scoring that measures latency needs the models: its key names them, it runs apart, and it times all in one run."""

from __future__ import annotations

import pytest
from world import World, fake_weights

from runner.inference.probe import PROMPTS


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    made = World(tmp_path)
    made.spec["evaluation"]["metrics"] = ["exact_match", "macro_f1", "latency_p50"]
    return made


def scored(world: World):
    return world.registry.record("score", world.plan().specs[0].step("score").key)


def test_every_model_is_timed_and_named_in_the_key(world):
    _, outcome = world.apply()
    assert outcome.error is None
    first = scored(world)
    assert first.inputs["probe"].keys() == first.metrics["latency"].keys() == {"base", "tuned"}
    assert first.inputs["probe"]["tuned"]["adapter"] != first.inputs["probe"]["base"].get("adapter")
    assert {len(found) for found in first.metrics["latency"].values()} == {PROMPTS}
    assert first.metrics["tuned"]["latency_p50"] >= 0
    world.spec |= {"version": "1.1.0"}
    world.spec["training"]["learning_rate"] = 0.002
    gates = world.spec["evaluation"]["gates"]
    gates.append({"metric": "exact_match", "not_worse_than": "champion", "margin": {"points": 20}})
    _, outcome = world.apply()
    assert outcome.error is None
    assert scored(world).metrics["latency"].keys() == {"base", "tuned", "champion"}
    assert world.plan().idle


def test_another_adapter_with_the_same_answers_is_timed_anew(world):
    """The fakes answer alike after either training."""
    world.apply()
    world.spec |= {"version": "1.1.0"}
    world.spec["training"]["learning_rate"] = 0.002
    _, outcome = world.apply()
    assert "score" in outcome.ran


def test_without_such_a_metric_nothing_is_timed(world):
    world.spec["evaluation"]["metrics"] = ["exact_match", "macro_f1"]
    world.apply()
    assert "probe" not in scored(world).inputs
    assert "latency" not in scored(world).metrics


def test_it_runs_in_a_process_of_its_own(world, monkeypatch):
    apart = []
    monkeypatch.setattr(
        "runner.executors.local.run_apart", lambda work, report, *_: apart.append(work.step) or work(report)
    )
    world.apply()
    assert apart.count("score") == 1


def test_a_cost_by_the_token_times_nothing(world):
    """It took minutes, and could not be computed again from stored answers."""
    (world.root / "registry").mkdir(exist_ok=True)
    (world.root / "registry/config.yaml").write_text(
        "prices:\n  tokens: {input_per_million: 1, output_per_million: 2}\n"
    )
    world.spec["evaluation"]["metrics"] = ["exact_match", "macro_f1", "cost_per_1000"]
    _, outcome = world.apply()
    assert outcome.error is None
    assert "probe" not in scored(world).inputs
    assert "latency" not in scored(world).metrics
    assert scored(world).metrics["tuned"]["cost_per_1000"] > 0
