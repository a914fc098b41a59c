"""The plan in a pull request: one table, folded details, and no text of a file that does anything."""

from __future__ import annotations

import re

from plans import KEY, spec_plan

from runner.plan.model import Change, Estimate, MemoryNeed, PlannedStep, make_plan
from runner.registry.facts import STEPS
from runner.report.plan_markdown import MOST_CHARACTERS, plan_markdown

TRAIN = PlannedStep(
    step="train",
    action="RUN",
    key=KEY,
    reason="training.lora.r 16 → 8 (spec.yaml:31)",
    changes=[Change(path="training.lora.r", old=16, new=8, line=31)],
    estimate=Estimate(seconds=200, usd=0.5),
)


def test_a_plan_with_one_change():
    plan = make_plan([spec_plan("a", train=TRAIN, score="DEPENDS", deploy="DEPENDS"), spec_plan("b")], "c" * 40)
    text = plan_markdown(plan)
    assert text.startswith(
        "**1 spec changes.** Plan: 1 to run, 13 to reuse, 2 depending, 0 blocked, train steps: 1.\n\n- Estimated: about"
    )
    assert (
        "| a 1.0.0 | – | train | score, deploy | train: training.lora.r 16 → 8 (spec.yaml:31) | up to 3 min 20 s |"
        in text
    )
    assert "| train | RUN | `3f2a91bc` | training.lora.r 16 → 8 (spec.yaml:31) | about 3 min 20 s, &#36;0.50 |" in text
    assert "<summary>a 1.0.0 (specs/a/spec.yaml), champion: none</summary>" in text
    assert "1 spec needs nothing." in text
    assert text.endswith(f"<sub>Plan `{plan.digest[:12]}` at commit `cccccccccccc`.</sub>")


def test_what_changes_the_bar_is_loud():
    spec = spec_plan("a", train=TRAIN).model_copy(update={"change_class": "retrain", "flags": ["gate_changed"]})
    assert "| a 1.0.0 | retrain, **gate changed** | train |" in plan_markdown(make_plan([spec], None))
    done = spec_plan("a", deploy="RUN").model_copy(update={"change_class": "retrain"})
    assert "| a 1.0.0 | retrain (already run) | deploy | – | deploy: why run | – |" in plan_markdown(
        make_plan([done], None)
    )


def test_what_is_taken_away_is_one_row():
    """A spec that changes its alias is one spec that changes, with two rows."""
    gone = spec_plan("a", **dict.fromkeys(STEPS, "NONE") | {"deploy": "UNDEPLOY"})
    plan = make_plan([spec_plan("a", deploy="RUN"), gone.model_copy(update={"removed": "canary"})], None)
    text = plan_markdown(plan)
    assert text.startswith("**1 spec changes.**")
    assert "| a 1.0.0 | no longer canary | – | – | deploy UNDEPLOY: why undeploy | – |" in text
    assert text.count("<details>") == 1


def test_a_base_is_told():
    plan = make_plan([spec_plan("a", train=TRAIN)], "c" * 40)
    text = plan_markdown(plan.model_copy(update={"base": "b" * 40, "unchanged": 3, "removed": ["gone"]}))
    assert "- Since bbbbbbbb: 1 touched, 3 as they were.\n- Removed: gone" in text


def test_a_training_that_does_not_fit_is_told():
    fields = MemoryNeed.model_fields
    sizes = {name: 1 for name in fields if name not in ("device", "remedy")}
    need = MemoryNeed(**sizes, device="cpu", remedy="set training.batch_size: 1")
    step = TRAIN.model_copy(update={"estimate": Estimate(seconds=200, memory=need)})
    text = plan_markdown(make_plan([spec_plan("a", train=step)], None))
    assert "- The training of a does not fit into memory here: set training.batch_size: 1" in text


def test_nothing_to_do():
    text = plan_markdown(make_plan([spec_plan()], None))
    assert text.startswith("**No changes.** Plan: 0 to run")
    assert "| Spec |" not in text


def test_values_of_files_do_nothing():
    evil = "</details> <script> | x | @everyone #1 **b** `c` https://e.example ![i](u)\n\n# head"
    step = TRAIN.model_copy(update={"reason": evil})
    text = plan_markdown(make_plan([spec_plan("a", train=step, champion=evil)], None))
    assert text.count("</details>") == 1
    assert not re.search(r"<script|@everyone|\n# head|!\[i\]|https://", text)
    for line in text.splitlines():
        if line.startswith("| train"):
            assert line.count("|") == 6


def test_what_waits_or_is_blocked_says_so():
    text = plan_markdown(make_plan([spec_plan("a", train="WAIT", deploy="BLOCKED")], None))
    assert "train WAIT: why wait; deploy BLOCKED: why blocked" in text


def test_many_specs_fit_a_comment():
    step = TRAIN.model_copy(update={"reason": "long " * 200})
    text = plan_markdown(make_plan([spec_plan(f"spec-{n}", train=step) for n in range(300)], None))
    assert len(text) < MOST_CHARACTERS
    assert re.search(r"The steps of \d+ more specs were left out", text)
    assert text.count("<details>") == text.count("</details>") > 10
