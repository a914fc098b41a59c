"""What could never be released is refused before it is trained, and a plan says what its gates can see."""

from __future__ import annotations

import pytest
import yaml
from world import World, fake_weights

from runner.errors import Location, SpecError
from runner.plan.floors import keeps
from runner.registry.artifacts import blob_key
from runner.registry.registry import open_registry
from runner.report.plan_markdown import plan_markdown
from runner.report.text import render_plan
from runner.spec.config import Floor, load_config
from runner.spec.evaluation import Gate


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    return World(tmp_path)


def configure(world, **policy):
    file = world.root / "registry" / "config.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(yaml.safe_dump({"policy": policy}))


def refusal(world, code):
    """Plan and apply; return why nothing is trained."""
    plan, outcome = world.apply()
    step = plan.specs[0].step("train")
    if code == "undercuts_policy" or step.action != "DEPENDS":
        assert (step.action, step.reason_code, step.fault) == ("BLOCKED", code, True)
    assert "train" not in outcome.ran
    assert "gate" not in outcome.ran
    return outcome.blocked


def line_of(world, text):
    lines = (world.root / "specs/bot/spec.yaml").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


@pytest.mark.parametrize(
    ("floors", "words"),
    [
        (
            [{"metric": "format_compliance", "at_least": 0.95}],
            "`format_compliance at least 90.0 %` is less than registry/config.yaml:3 asks for `format_compliance at least 95.0 %`",
        ),
        ([{"beats": "champion"}], "no gate does what registry/config.yaml:3 asks for `any metric beats champion`"),
        (
            [{"metric": "exact_match", "beats": "base", "by": {"points": 15}}],
            "`exact_match beats base by 10 points` is less than registry/config.yaml:3 asks for",
        ),
    ],
)
def test_a_spec_may_not_ask_for_less_than_the_policy(world, floors, words):
    configure(world, floors=floors)
    assert words in refusal(world, "undercuts_policy")


def test_an_undercut_floor_is_told_at_the_gate(world):
    configure(world, floors=[{"metric": "format_compliance", "at_least": 0.95}])
    said = refusal(world, "undercuts_policy")
    line = line_of(world, "metric: format_compliance")
    assert f"specs/bot/spec.yaml:{line}:" in said


def test_no_spec_may_warn_where_the_policy_says_fail(world):
    configure(world, on_inconclusive="fail")
    world.spec["evaluation"]["on_inconclusive"] = "warn"
    assert "`on_inconclusive: warn` is less than registry/config.yaml:2" in refusal(world, "undercuts_policy")


def test_kept_floors_change_nothing(world):
    configure(
        world,
        floors=[{"beats": "base"}, {"metric": "exact_match", "not_worse_than": "base", "margin": {"points": 1}}],
        min_test_rows=10,
        on_inconclusive="fail",
    )
    _, outcome = world.apply()
    assert outcome.deployment is not None


def test_what_is_released_is_not_judged_by_a_policy_of_today(world):
    world.apply()
    configure(world, floors=[{"metric": "format_compliance", "at_least": 0.99}], min_test_rows=10_000)
    assert world.plan().idle


def test_too_few_test_rows_train_nothing(world):
    configure(world, min_test_rows=10_000)
    assert "test rows, and policy.min_test_rows asks for 10000" in refusal(world, "too_few_test_rows")


def test_a_gate_that_the_base_leaves_no_room_for_is_refused(world):
    """The base of this world answers nothing right, so a tenth of it is nothing."""
    world.apply()
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.1.0", 0.002
    world.spec["evaluation"]["gates"][0]["by"] = {"relative": "10%"}
    said = refusal(world, "gate_unreachable")
    assert "10% of base's 0.0 % is nothing to beat it by" in said
    assert f"specs/bot/spec.yaml:{line_of(world, '- metric: exact_match')}:" in said


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        ({"metric": "format_compliance", "at_least": 0.999, "proof": "strict"}, "not even"),
        ({"metric": "exact_match", "beats": "base", "by": {"points": 100}, "proof": "strict"}, "fixes"),
        ({"metric": "exact_match", "beats": "base", "slice": "colour", "min_rows": 500}, "no colour can have 500 rows"),
    ],
)
def test_a_gate_that_so_few_rows_can_never_prove_is_refused(world, gate, words):
    world.spec["evaluation"]["slices"] = ["colour"]
    world.spec["evaluation"]["gates"].append(gate)
    assert words in refusal(world, "gate_unreachable")


def test_a_plan_says_what_its_gates_can_see(world):
    first, _ = world.apply()
    assert first.specs[0].step("gate").notes == []
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.1.0", 0.002
    plan = world.plan()
    (note,) = plan.specs[0].step("gate").notes
    assert note.startswith("exact_match beats base by 10 points: with ")
    assert "test rows it can only see gains of" in note
    assert note in render_plan(plan, color=False)
    assert note in plan_markdown(plan)


@pytest.mark.parametrize(
    ("gate", "floor", "kept"),
    [
        ({"at_least": 0.96}, {"at_least": 0.95}, True),
        ({"at_least": 0.94}, {"at_least": 0.95}, False),
        ({"at_most": 0.94}, {"at_least": 0.95}, False),
        ({"at_most": 0.1}, {"at_most": 0.2}, True),
        ({"at_most": 0.3}, {"at_most": 0.2}, False),
        ({"beats": "base"}, {"beats": "base"}, True),
        ({"beats": "champion"}, {"beats": "base"}, False),
        ({"beats": "base", "by": {"points": 5}}, {"beats": "base", "by": {"points": 5}}, True),
        ({"beats": "base"}, {"beats": "base", "by": {"points": 5}}, False),
        ({"beats": "base"}, {"beats": "base", "by": {"points": 0}}, True),
        ({"beats": "base", "by": {"relative": "50%"}}, {"beats": "base", "by": {"points": 5}}, False),
        ({"beats": "base", "by": {"relative": "5%"}}, {"beats": "base", "by": {"relative": "4.5 %"}}, True),
        ({"not_worse_than": "champion"}, {"not_worse_than": "champion", "margin": {"points": 2}}, True),
        (
            {"not_worse_than": "champion", "margin": {"points": 3}},
            {"not_worse_than": "champion", "margin": {"points": 2}},
            False,
        ),
        ({"beats": "champion"}, {"not_worse_than": "champion", "margin": {"points": 2}}, True),
        ({"beats": "base"}, {"beats": "base", "proof": "strict"}, False),
        ({"beats": "base", "proof": "strict"}, {"beats": "base", "proof": "strict"}, True),
        ({"beats": "base", "slice": "language"}, {"beats": "base"}, False),
        ({"beats": "base"}, {"metric": "macro_f1", "beats": "base"}, False),
    ],
)
def test_what_keeps_a_floor(gate, floor, kept):
    assert keeps(Gate(metric="exact_match", **gate), Floor(**floor)) is kept


@pytest.mark.parametrize(
    "floor", [{}, {"beats": "base", "at_least": 0.5}, {"metric": "exact_match", "by": {"points": 1}}]
)
def test_a_floor_is_a_condition(world, floor):
    configure(world, floors=[floor])
    with pytest.raises(SpecError) as caught:
        load_config(world.root)
    assert isinstance(caught.value.problems[0].where, Location)
    assert caught.value.problems[0].where.file == "registry/config.yaml"


def test_what_another_definition_of_a_metric_said_of_the_base_is_no_reason_to_refuse(world):
    def define(**definition):
        world.spec["evaluation"]["metrics"] = ["exact_match", "fits"]
        world.spec["evaluation"]["custom_metrics"] = [{"name": "fits", **definition}]

    define(contains="colours")  # what the base says in every row
    world.apply()
    define(contains="red")
    world.spec["version"] = "1.1.0"
    world.spec["training"]["learning_rate"] = 0.002
    world.spec["evaluation"]["gates"].append({"metric": "fits", "beats": "base", "by": {"points": 10}})
    plan, outcome = world.apply()
    assert plan.specs[0].step("train").action == "RUN"
    assert outcome.error is None


def follow_up(world, gate, **evaluation):
    """Release 1.0.0, then ask for 1.1.0 with another gate."""
    world.apply()
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.1.0", 0.002
    world.spec["evaluation"] |= evaluation
    world.spec["evaluation"]["gates"].append(gate)


@pytest.mark.parametrize("metric", ["latency_p50", "cost_per_1000"])
def test_a_champion_whose_weights_are_lost_cannot_be_timed_after_a_training_either(world, metric):
    world.config = {"prices": {"default": {"usd_per_hour": 1.0}}}
    gate = {"metric": metric, "not_worse_than": "champion", "margin": {"relative": "50%"}}
    follow_up(world, gate, metrics=["exact_match", "macro_f1", metric])
    adapter = world.registry.version("bot", "1.0.0").content.adapter
    (world.root / "registry/store" / blob_key(adapter.digest)).unlink()
    world.registry = open_registry("registry/store", world.root, world.root / "cache2")
    said = refusal(world, "gate_unreachable")
    assert f"{metric} not worse than champion" in said
    assert "the weights of bot 1.0.0 are lost" in said
    assert f"specs/bot/spec.yaml:{line_of(world, f'- metric: {metric}')}:" in said


def test_a_champion_that_answers_once_has_no_consistency_to_compare_with(world):
    gate = {"metric": "consistency", "not_worse_than": "champion", "margin": {"points": 5}}
    asked = {"max_new_tokens": 64, "temperature": 0.7, "samples": 2}
    follow_up(world, gate, metrics=["exact_match", "macro_f1", "consistency"], generation=asked)
    assert "bot 1.0.0 answers each question once" in refusal(world, "gate_unreachable")


def test_a_champion_that_can_be_timed_is_no_reason_to_refuse(world):
    gate = {"metric": "latency_p50", "not_worse_than": "champion", "margin": {"relative": "1000%"}}
    follow_up(world, gate, metrics=["exact_match", "macro_f1", "latency_p50"])
    plan, outcome = world.apply()
    assert plan.specs[0].step("train").action == "RUN"
    assert outcome.error is None
