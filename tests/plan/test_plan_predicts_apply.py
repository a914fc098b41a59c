"""What holds everything together: for any sequence of edits, what the plan predicts is what the apply runs."""

from __future__ import annotations

import copy
import shutil
import tempfile
from pathlib import Path

import pytest
import yaml
from edits import CIRCUMSTANCES, EDITS, edit, snapshot
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from world import World, fake_weights

from runner.plan.decision import PREDICT_STEPS

names = st.sampled_from([*EDITS, *CIRCUMSTANCES, "revert"])
edits = st.lists(st.tuples(names, st.integers(0, 2)), min_size=1, max_size=4)


@pytest.fixture(autouse=True)
def _weights(monkeypatch):
    fake_weights(monkeypatch)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(edits, min_size=1, max_size=4))
@example([[("owner", 1)], [("generation", 1)]])
def test_what_plan_predicts_is_what_apply_runs(commits):
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        past = [snapshot(world)]
        for number, commit in enumerate(commits, start=1):
            edit(world, commit, past, number)
            plan, outcome = world.apply()
            assert outcome.error is None, outcome.error
            causes_lead_to_roots(plan)
            for step in plan.specs[0].steps:
                if step.action == "RUN":
                    assert step.step in outcome.ran, (step, outcome)
                elif step.action != "DEPENDS":
                    assert step.step not in outcome.ran, (step, outcome)
                assert step.action != "DEPENDS" or step.key is None
            assert world.plan().idle
            assert same_as_without_history(world, outcome)


def causes_lead_to_roots(plan) -> None:
    """Check that everything that may happen names a root that can be reached, and nothing else has a cause."""
    for step in plan.specs[0].steps:
        if step.action not in ("RUN", "DEPENDS", "BLOCKED"):
            assert step.cause == []
            continue
        stations = {cause.step: cause for cause in step.cause}
        assert len(stations) == len(step.cause)
        assert step.cause[0].step == step.step
        reached, new = set(), {step.step}
        while new:
            reached |= new
            new = {later for name in new for later in stations[name].after} - reached
        assert reached == set(stations)
        assert any(cause.root for cause in step.cause)


def same_as_without_history(world: World, outcome) -> bool:
    """Whether what was reused is what this spec would have yielded in an empty registry."""
    if outcome.gate is None or outcome.deployment is None:
        return True
    with tempfile.TemporaryDirectory() as folder:
        fresh = World(Path(folder))
        fresh.spec, fresh.files, fresh.base, fresh.branch = world.spec, world.files, world.base, world.branch
        fresh.config, fresh.scripts = world.config, world.scripts
        if any("version:" in str(gate) for gate in fresh.spec["evaluation"]["gates"]):
            return True
        fresh.apply()
        ours, theirs = (w.registry.version("bot", outcome.version) for w in (world, fresh))
        return ours.content == theirs.content and made_of(world, ours) == made_of(fresh, theirs)


def made_of(world: World, version) -> dict:
    """What a version's steps yielded, but for times and what depends on the champion of the day."""
    parts = {
        "prepare": ("train", "validation", "test", "prompts"),
        "train": ("adapter",),
        "predict_base": ("answers",),
        "predict_tuned": ("answers",),
    }
    steps = {
        step: next(filter(None, (world.registry.record(name, version.keys[step]) for name in (step, *PREDICT_STEPS))))
        for step in parts
    }
    return {(step, name): steps[step].outputs[name] for step, names in parts.items() for name in names}


def test_two_specs_share_what_is_the_same():
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.write()
        other = copy.deepcopy(world.spec) | {"name": "other", "training": {"learning_rate": 0.002}}
        shutil.copytree(world.root / "specs/bot", world.root / "specs/other")
        (world.root / "specs/other/spec.yaml").write_text(yaml.safe_dump(other))
        plan, outcomes = world.apply_all()
    second = plan.specs[1]
    assert (second.step("prepare").action, second.step("prepare").key) == ("DEPENDS", None)
    assert second.step("prepare").reason == "on prepare of bot, which has the same inputs"
    # The fakes answer alike after either training, so even the scores are shared.
    assert outcomes[1].ran == ["train", "predict_tuned", "deploy"]
