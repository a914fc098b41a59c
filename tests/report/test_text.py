"""The plan on a terminal: what a reader who knows Terraform expects to see."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from plans import KEY, spec_plan

from runner.git import Checkout
from runner.plan.delivery import Delivery
from runner.plan.model import Change, Estimate, PlannedStep, make_plan
from runner.plan.reasons import Cause, RowCount
from runner.report.duration import duration
from runner.report.text import printable, render_plan


def rendered(*specs, color=False):
    return render_plan(make_plan([*specs], "abc"), color)


def test_a_whole_plan():
    train = PlannedStep(
        step="train",
        action="RUN",
        key=KEY,
        reason="training.learning_rate 0.0002 → 0.0001 (spec.yaml:24); training.num_epochs 3 → 4 (spec.yaml:23)",
        changes=[
            Change(path="training.learning_rate", old=2e-4, new=1e-4, line=24),
            Change(path="training.num_epochs", old=3, new=4, line=23),
        ],
        estimate=Estimate(seconds=200, usd=0.5),
    )
    plan = rendered(
        spec_plan(
            train=train,
            predict_tuned="DEPENDS",
            predict_champion="NONE",
            score="DEPENDS",
            gate="DEPENDS",
            deploy="BLOCKED",
        )
    )
    assert plan == (
        """\
Gitune will do the following:
  + run   = reuse   ? depends on an earlier step   ! blocked   . nothing to do

support-triage 1.0.0 (specs/support-triage/spec.yaml)  champion: none
  = prepare           REUSE     3f2a91bc  why reuse
  + train             RUN       training.learning_rate 0.0002 → 0.0001 (spec.yaml:24)
                                training.num_epochs 3 → 4 (spec.yaml:23)  [about 3 min 20 s, $0.50]
  = predict_base      REUSE     3f2a91bc  why reuse
  ? predict_tuned     DEPENDS   why depends
  . predict_champion  NONE      why none
  ? score             DEPENDS   why depends
  ? gate              DEPENDS   why depends
  ! deploy            BLOCKED   why blocked

Plan: 1 to run, 2 to reuse, 3 depending, 1 blocked, train steps: 1.
Estimated: about 3 min 20 s, $0.50.
No estimate for support-triage/predict_tuned, support-triage/score, support-triage/gate: nothing like it was run before."""
    )


@pytest.mark.parametrize(
    ("specs", "words"),
    [
        ([spec_plan()], "No changes. 1 spec is up to date."),
        ([spec_plan("a", deploy="NONE"), spec_plan("b")], "No changes. 2 specs are up to date."),
    ],
)
def test_nothing_to_do(specs, words):
    assert rendered(*specs) == words


def test_a_spec_that_is_not_live_is_not_passed_off_as_up_to_date():
    # As git's side of the plan words it.
    elsewhere = Delivery(Checkout(Path(), "c" * 40, "topic"), "main", [], lambda _: True)
    reason = elsewhere.obstacle(SimpleNamespace(file="specs/a/spec.yaml"), None).reason
    away = PlannedStep(step="deploy", action="NONE", key=None, reason=reason)
    assert rendered(spec_plan("a", deploy=away), spec_plan("b")) == (
        "No changes. 2 specs are up to date.\n  a 1.0.0 is not deployed here: deploys from main once merged; this is topic"
    )
    assert "\n  a 1.0.0 is not deployed here: " in rendered(spec_plan("a", deploy=away), spec_plan("b", train="RUN"))


def test_specs_that_need_nothing_are_only_counted():
    plan = rendered(spec_plan("a"), spec_plan("b", deploy="RUN", champion="1.0.0"), spec_plan("c"))
    assert "specs/a/" not in plan
    assert "b 1.0.0 (specs/b/spec.yaml)  champion: 1.0.0" in plan
    assert plan.split("\n\n")[-2:] == [
        "2 specs are up to date.",
        "Plan: 1 to run, 23 to reuse, 0 depending, 0 blocked, train steps: 0.",
    ]


@pytest.mark.parametrize("action", ["BLOCKED", "WAIT", "UNDEPLOY"])
def test_what_waits_is_never_no_changes(action):
    plan = rendered(spec_plan(deploy=action))
    assert "No changes" not in plan
    assert f"why {action.lower()}" in plan


def test_waiting_and_undeploying_are_counted():
    assert rendered(spec_plan(train="WAIT", deploy="UNDEPLOY")).endswith(
        "0 blocked, 1 waiting, 1 to undeploy, train steps: at most 1."
    )


def test_colours_only_when_asked_for():
    plain, coloured = (rendered(spec_plan(train="RUN"), color=color) for color in (False, True))
    assert "\x1b" not in plain
    assert "\x1b[32m+ train" in coloured
    assert coloured.count("\x1b[0m") == coloured.count("\x1b[") / 2


def test_a_file_cannot_repaint_the_screen():
    step = PlannedStep(step="train", action="RUN", key=None, reason="description \x1b[2J → \u202ex\n\r+ deploy RUN")
    plan = rendered(spec_plan(train=step))
    assert "\x1b" not in plan
    assert r"description \x1b[2J → \u202ex\n\r+ deploy RUN" in plan
    assert printable("é → 😀") == "é → 😀"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "1 s"),
        (45, "45 s"),
        (60, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (7200, "2 h"),
        (3599.6, "1 h"),
    ],
)
def test_duration(seconds, words):
    assert duration(seconds) == words


def test_long_reasons_are_wrapped_beside_the_actions():
    step = PlannedStep(
        step="train",
        action="RUN",
        key=KEY,
        reason="; ".join(["training.target_modules q → v (spec.yaml:24)"] * 3),
        estimate=Estimate(seconds=200, low=100, high=300),
    )
    plan = make_plan([spec_plan(train=step)], "abc")
    lines = render_plan(plan, color=False, width=80).splitlines()
    first = next(n for n, line in enumerate(lines) if "+ train" in line)
    assert all(len(line) <= 80 for line in lines)
    assert lines[first + 1].startswith(" " * 32)
    assert "                                [about 3 min 20 s (1 min 40 s to 5 min)]" in lines
    # A terminal of no width worth the name wraps by itself.
    assert render_plan(plan, color=False, width=40) == render_plan(plan, color=False)


def test_a_root_further_back_has_a_line_of_its_own():
    causes = [
        Cause(step="train", action="RUN", because="…", after=["prepare"], root=False),
        Cause(step="prepare", action="REUSE", because="rows +30 −0 ~0: data/c.jsonl added", root=True),
    ]
    rows = Change(path="train", old="a" * 64, new="b" * 64, rows=RowCount(added=18, removed=0, changed=0))
    step = PlannedStep(step="train", action="RUN", key=KEY, reason="…", changes=[rows], cause=causes)
    assert """\
  + train             RUN       training rows +18 −0 ~0
                                because rows +30 −0 ~0: data/c.jsonl added
""" in rendered(spec_plan(train=step))
