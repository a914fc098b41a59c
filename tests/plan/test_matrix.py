"""Which jobs CI starts for a plan, and where."""

from __future__ import annotations

import pytest
from world import World, fake_weights

from runner.errors import GituneError, SpecError
from runner.plan import matrix
from runner.plan.cost import would_train
from runner.plan.matrix import matrix_of
from runner.spec.config import load_config


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    return World(tmp_path)


def jobs(world):
    plan = world.plan(through="gate")
    return matrix_of(plan, world.subjects(), load_config(world.root))["include"]


def test_a_new_spec_is_a_job_on_a_hosted_machine(world):
    assert jobs(world) == [{"spec": "bot", "profile": "default", "runs_on": ["ubuntu-latest"], "timeout_minutes": 360}]


def test_the_machine_is_what_the_base_branch_calls_it(world):
    machine = {"name": "gpu", "runs_on": ["self-hosted", "a100"], "timeout_minutes": 90, "usd_per_hour": 2.0}
    world.config = {"runners": [machine]}
    world.spec["compute"] = {"profile": "gpu"}
    assert jobs(world) == [{"spec": "bot", "profile": "gpu", "runs_on": ["self-hosted", "a100"], "timeout_minutes": 90}]
    assert load_config(world.root).price_of("gpu").usd_per_hour == 2.0


def test_a_machine_that_nobody_named_is_an_error_with_its_place(world):
    world.spec["compute"] = {"profile": "gpuu"}
    with pytest.raises(SpecError) as caught:
        world.plan()
    (problem,) = caught.value.problems
    assert "none of the runners of registry/config.yaml" in problem.message
    assert (problem.where.file, problem.hint) == ("specs/bot/spec.yaml", "available: default")
    assert problem.where.line


@pytest.mark.parametrize(
    "edit",
    [
        {"description": "Other words."},
        {"evaluation.gates": [{"metric": "format_compliance", "at_least": 0.8}]},
        {"evaluation.metrics": ["exact_match", "macro_f1", "token_f1"]},
    ],
)
def test_what_needs_no_model_needs_no_job(world, edit):
    world.apply(through="gate")
    for path, value in edit.items():
        *sections, key = path.split(".")
        place = world.spec
        for section in sections:
            place = place[section]
        place[key] = value
    assert jobs(world) == []


def test_answers_alone_need_a_job(world):
    world.apply(through="gate")
    world.spec["evaluation"]["generation"] = {"max_new_tokens": 7}
    assert len(jobs(world)) == 1


def test_more_jobs_than_a_matrix_holds_are_refused(world, monkeypatch):
    monkeypatch.setattr(matrix, "MOST_JOBS", 0)
    with pytest.raises(GituneError, match="1 specs need a job"):
        jobs(world)


def test_a_plan_that_trains_is_refused_where_nothing_may(world):
    _, outcome = world.apply(no_train=True)
    assert "bot would be trained (never run before)" in str(outcome.error)
    assert "train" not in outcome.ran
    world.spec["training"]["learning_rate"] = 0.002
    assert would_train(world.plan()) == ["bot"]
    world.apply()
    _, outcome = world.apply(no_train=True)
    assert outcome.error is None
