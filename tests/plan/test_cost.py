"""What a plan costs in sum, what the budget says to it, and how good earlier predictions were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from world import World, fake_weights, pretend_it_took

from runner.errors import GituneError
from runner.plan.accuracy import accuracy_of
from runner.plan.cost import Estimate, judge_budget, refuse_over_budget, total_of
from runner.plan.model import PlannedStep, SpecPlan, make_plan
from runner.registry.facts import Record
from runner.report.costs import budget_words, total_lines
from runner.spec.config import BudgetPolicy, load_config


def spec_of(**steps):
    """Build a spec's plan of `step=(action, seconds, usd)` or `step=(action, Estimate, code)`."""
    planned = []
    for step, (action, seconds, *usd) in steps.items():
        estimate = seconds if isinstance(seconds, Estimate) else Estimate(seconds=seconds, usd=usd[0] if usd else None)
        planned.append(PlannedStep(step=step, action=action, key=None, reason="", estimate=estimate))
    return SpecPlan(name="bot", version="1.0.0", file="specs/bot/spec.yaml", champion=None, steps=planned)


TOTALS = [
    # steps, what the total says
    ({}, {"seconds": 0, "up_to": 0, "usd": None, "usd_up_to": None, "unknown": []}),
    ({"train": ("RUN", 100, 2.0)}, {"seconds": 100, "up_to": 100, "usd": 2.0, "usd_up_to": 2.0}),
    ({"train": ("RUN", 100, 2.0), "score": ("DEPENDS", 10, 0.5)}, {"seconds": 100, "up_to": 110, "usd_up_to": 2.5}),
    ({"train": ("REUSE", 100, 2.0)}, {"seconds": 0, "up_to": 0, "usd": None}),
    (
        {"train": ("RUN", None), "score": ("RUN", 10)},
        {"seconds": 10, "unknown": ["bot/train"], "unpriced": ["bot/score"]},
    ),
    ({"deploy": ("RUN", None)}, {"unknown": []}),
    ({"train": ("RUN", Estimate(seconds=100, low=80, high=150))}, {"low": 80, "high": 150}),
    (
        {
            "train": ("RUN", Estimate(seconds=100, low=80, high=150)),
            "score": ("DEPENDS", Estimate(seconds=9, low=5, high=20)),
        },
        {"low": 80, "high": 170},
    ),
]


@pytest.mark.parametrize(("steps", "expected"), TOTALS)
def test_total(steps, expected):
    total = total_of([spec_of(**steps)])
    assert {name: getattr(total, name) for name in expected} == expected


VERDICTS = [
    # budget, steps, exceeded
    ({"hours": 1}, {"train": ("RUN", 3600)}, False),
    ({"hours": 1}, {"train": ("RUN", 3602)}, True),
    ({"hours": 1}, {"train": ("RUN", 3000), "score": ("DEPENDS", 700)}, True),
    ({"hours": 1}, {"train": ("RUN", None)}, None),
    ({"hours": 1}, {"train": ("RUN", None), "score": ("RUN", 3700)}, True),
    ({"hours": 1}, {"train": ("REUSE", None)}, False),
    ({"usd": 5}, {"train": ("RUN", 10, 5.0)}, False),
    ({"usd": 5}, {"train": ("RUN", 10, 5.01)}, True),
    ({"usd": 5}, {"train": ("RUN", 10)}, None),
    ({"hours": 1, "usd": 5}, {"train": ("RUN", 10, 9.0)}, True),
    ({"hours": 1, "usd": 5}, {"train": ("RUN", 10, 1.0)}, False),
]


@pytest.mark.parametrize(("policy", "steps", "exceeded"), VERDICTS)
def test_budget(policy, steps, exceeded):
    spec = spec_of(**steps)
    budget = judge_budget(total_of([spec]), BudgetPolicy(**policy))
    assert budget.exceeded is exceeded
    assert [limit.what for limit in budget.limits] == list(policy)
    plan = make_plan([spec], None).model_copy(update={"budget": budget})
    if not exceeded:
        refuse_over_budget(plan)
        return
    with pytest.raises(GituneError, match="over budget") as caught:
        refuse_over_budget(plan)
    assert "--over-budget" in caught.value.hint


def test_budget_words():
    spec = spec_of(train=("RUN", 7200, 3.0), score=("RUN", None))
    budget = judge_budget(total_of([spec]), BudgetPolicy(hours=1, usd=5))
    assert budget_words(budget) == (
        "Over budget: up to 2 h of 1 h; up to $3.00 of $5.00. An apply refuses it without --over-budget."
    )
    lines = [*total_lines(make_plan([spec], None))]
    assert lines == [
        "Estimated: about 2 h, $3.00.",
        "No estimate for bot/score: nothing like it was run before.",
    ]


def took(predicted, seconds):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    end = start + timedelta(seconds=seconds)
    return Record(
        step="train",
        key="0" * 64,
        inputs={},
        spec="bot",
        version="1.0.0",
        started=start,
        finished=end,
        predicted_seconds=predicted,
    )


@pytest.mark.parametrize(
    ("pairs", "factor"),
    [
        ([(100, 100)] * 5, 1.0),
        ([(100, 100)] * 4, None),
        ([(None, 100)] * 9, None),
        ([(100, 100)] * 4 + [(100, 400)], 1.0),
        ([(100, 130)] * 3 + [(130, 100)] + [(1, 400)], 1.3),
        ([(0.1, 0.9)] * 5, 1.0),  # below a second nobody waits
    ],
)
def test_accuracy(pairs, factor):
    found = accuracy_of(took(*pair) for pair in pairs)
    assert (found.factor if found else None) == factor


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    return World(tmp_path)


def configure(world, text) -> None:
    (world.root / "registry").mkdir(exist_ok=True)
    (world.root / "registry/config.yaml").write_text(text)


def test_prices_are_of_the_compute_profile(world):
    world.apply()
    pretend_it_took(world, "train", 90)
    world.spec |= {"version": "1.1.0"}
    world.spec["training"]["learning_rate"] = 0.002
    configure(world, "prices: {default: {usd_per_hour: 3600}}\n")
    plan = world.plan(config=load_config(world.root))
    estimate = plan.specs[0].step("train").estimate
    assert (estimate.seconds, estimate.usd) == (90, 90)
    assert plan.estimate.unpriced == []
    configure(world, "prices: {}\n")
    plan = world.plan(config=load_config(world.root))
    assert plan.specs[0].step("train").estimate.usd is None
    assert "bot/train" in plan.estimate.unpriced


def test_what_was_predicted_is_in_the_record(world):
    _, first = world.apply()
    assert [took.predicted for took in first.took] == [None] * 6
    world.spec |= {"version": "1.1.0"}
    world.spec["training"]["learning_rate"] = 0.002
    plan, outcome = world.apply()
    predicted = plan.specs[0].step("train").estimate.seconds
    assert predicted is not None
    assert (outcome.took[0].step, outcome.took[0].predicted) == ("train", predicted)
    (record,) = [r for r in world.registry.records("train") if r.version == "1.1.0"]
    assert record.predicted_seconds == predicted
