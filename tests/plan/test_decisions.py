"""What people decide: an approved INCONCLUSIVE is released, what is on hold is not, and plan and apply agree on both."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from world import World, fake_weights

from runner.plan.rulings import approval_of, hold_on
from runner.registry.facts import Ruling

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    return World(tmp_path)


def ruling(kind, version=None, scores=None, number=1, name="bot"):
    facts = {"who": "Ada", "reason": "looked at it", "at": NOW}
    return Ruling(number=number, name=name, kind=kind, version=version, scores=scores, **facts)


def decide(world, kind, version=None, scores=None):
    world.registry.add_ruling(ruling(kind, version, scores, len(world.registry.rulings("bot")) + 1))


def thin_evidence(world) -> None:
    """Train a useless model on so few rows that the test rows cannot tell whether it is one."""
    world.files = {"data/a.jsonl": list(range(8))}
    world.spec["dataset"]["checks"] = {"min_examples": 1}
    world.spec["training"]["learning_rate"] = 0.5
    world.spec["evaluation"]["gates"] = [{"metric": "exact_match", "beats": "base", "by": {"points": 10}}]


def scores_of(world) -> str:
    (record,) = world.registry.records("score")
    return record.outputs["scores"].digest


def deploys(world, **options):
    """Plan and apply; both must say the same of the deployment."""
    plan, outcome = world.apply(**options)
    step = plan.specs[0].step("deploy")
    assert (step.action in ("RUN", "DEPENDS")) >= ("deploy" in outcome.ran)
    return step, outcome


APPROVALS = [
    # decisions, version, scores, approved
    ([("approve", "1.0.0", "s")], "1.0.0", "s", True),
    ([("approve", "1.0.0", "s")], "1.0.0", "other", False),
    ([("approve", "1.0.0", "s")], "1.1.0", "s", False),
    ([("hold", "1.0.0", None)], "1.0.0", "s", False),
    ([("approve", "1.0.0", "old"), ("approve", "1.0.0", "s")], "1.0.0", "s", True),
    ([], "1.0.0", "s", False),
]
HOLDS = [
    # decisions, released, held
    ([], False, False),
    ([("hold", None)], False, True),
    ([("hold", None)], True, False),
    ([("hold", "1.0.0")], False, True),
    ([("hold", "1.0.0")], True, True),
    ([("hold", "1.1.0")], True, False),
    ([("hold", None), ("lift", None)], False, False),
    ([("hold", "1.0.0"), ("lift", None)], False, True),
    ([("hold", None), ("hold", "1.0.0"), ("lift", "1.0.0")], False, True),
    ([("hold", "1.0.0"), ("lift", "1.0.0"), ("hold", "1.0.0")], True, True),
]


@pytest.mark.parametrize(("decisions", "version", "scores", "approved"), APPROVALS)
def test_an_approval_is_bound_to_its_scores(decisions, version, scores, approved):
    found = approval_of([ruling(*one) for one in decisions], version, scores)
    assert (found is not None) == approved


@pytest.mark.parametrize(("decisions", "released", "held"), HOLDS)
def test_what_a_hold_keeps_back(decisions, released, held):
    found = hold_on([ruling(*one) for one in decisions], "1.0.0", released=released)
    assert (found is not None) == held


@given(st.lists(st.tuples(st.sampled_from(["hold", "lift"]), st.sampled_from([None, "1.0.0", "1.1.0"]))))
def test_lifting_everything_frees_everything(decisions):
    rulings = [ruling(*one) for one in [*decisions, ("lift", None), ("lift", "1.0.0"), ("lift", "1.1.0")]]
    assert hold_on(rulings, "1.0.0", released=False) is None


def test_an_approved_inconclusive_is_released_and_says_so(world):
    thin_evidence(world)
    _, outcome = deploys(world)
    assert outcome.exit_code == 4
    decide(world, "approve", "1.0.0", scores_of(world))
    step, outcome = deploys(world)
    assert step.action == "RUN"
    assert "INCONCLUSIVE, approved by Ada: looked at it" in step.reason
    assert (outcome.ran, outcome.exit_code) == (["deploy"], 0)
    version = world.registry.version("bot", "1.0.0")
    assert (version.verdict, version.approval.who) == ("INCONCLUSIVE", "Ada")
    assert deploys(world)[1].exit_code == 0


def test_an_approval_counts_on_a_branch_too(world):
    thin_evidence(world)
    world.branch = "topic"
    assert deploys(world)[1].exit_code == 4
    decide(world, "approve", "1.0.0", scores_of(world))
    step, outcome = deploys(world)
    assert (step.action, outcome.exit_code) == ("NONE", 0)


def test_other_scores_make_an_approval_void(world):
    thin_evidence(world)
    deploys(world)
    decide(world, "approve", "1.0.0", scores_of(world))
    world.files["data/b.jsonl"] = list(range(8, 12))
    assert deploys(world)[1].exit_code == 4
    assert world.registry.live("bot", "production") is None


def test_a_fail_is_not_approved(world):
    world.spec["training"]["learning_rate"] = 0.5
    deploys(world)
    decide(world, "approve", "1.0.0", scores_of(world))
    assert deploys(world)[1].exit_code == 3


def test_a_hold_blocks_what_is_new_and_not_the_way_back(world):
    deploys(world)
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.1.0", 0.002
    deploys(world)
    decide(world, "hold")
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.2.0", 0.003
    step, outcome = deploys(world)
    assert step.action == "BLOCKED"
    assert step.reason.startswith("whatever is new of bot is on hold by Ada since 2026-11-22: looked at it")
    assert (outcome.exit_code, outcome.blocked) == (1, f"deploy: {step.reason}")
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.0.0", 0.001
    assert deploys(world)[1].ran == ["deploy"]
    decide(world, "lift")
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.2.0", 0.003
    assert deploys(world)[1].deployment.version == "1.2.0"


def test_a_version_on_hold_is_not_deployed_again(world):
    deploys(world)
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.1.0", 0.002
    deploys(world)
    decide(world, "hold", "1.0.0")
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.0.0", 0.001
    step, outcome = deploys(world)
    assert "`gitune gate lift bot --version 1.0.0` ends it" in step.reason
    assert outcome.deployment is None
    decide(world, "lift", "1.0.0")
    assert deploys(world)[1].deployment.version == "1.0.0"


def test_a_decision_made_meanwhile_is_for_the_next_plan(world):
    thin_evidence(world)
    world.apply()
    plan = world.plan()
    decide(world, "approve", "1.0.0", scores_of(world))
    assert plan.specs[0].step("deploy").action == "BLOCKED"
    assert deploys(world)[1].exit_code == 0
