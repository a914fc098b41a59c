"""Golden keys: a release that changes one of these would retrain everybody's models. Change them knowingly."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from world import SPEC

from runner.plan import keys
from runner.registry.facts import Artifact, Record
from runner.spec.models import Spec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SPEC_V1 = Spec.model_validate({**SPEC, "training": {**SPEC["training"], "early_stopping": {"patience": 2}}})


def record(step, **outputs) -> Record:
    artifacts = {name: Artifact(digest=digest * 64, size=1) for name, digest in outputs.items()}
    return Record(
        step=step, key="0" * 64, inputs={}, outputs=artifacts, spec="bot", version="1.0.0", started=NOW, finished=NOW
    )


PREPARED = record("prepare", train="a", validation="b", test="c", prompts="d")
ANSWERED = {"base": record("predict_base", answers="e"), "tuned": record("predict_tuned", answers="f")}
SCORED = record("score", scores="1")

INPUTS = {
    "prepare": keys.prepare_inputs(SPEC_V1, {"train": ["2" * 64, "1" * 64], "validation": [], "test": []}, {"x": 1}),
    "train": keys.train_inputs(SPEC_V1, "9" * 64, PREPARED),
    "predict": keys.predict_inputs("9" * 64, "8" * 64, "llama_cpp", SPEC_V1.evaluation.generation, "d" * 64),
    "predict_base": keys.predict_inputs("9" * 64, None, "llama_cpp", SPEC_V1.evaluation.generation, "d" * 64),
    "score": keys.score_inputs(SPEC_V1, PREPARED, ANSWERED, {"x": 1}),
    "gate": keys.gate_inputs(SPEC_V1, SCORED, "1.0.0"),
}
GOLDEN = {
    "prepare": "fdc12af4125bb076",
    "train": "0760e3b2036d6202",
    "predict": "3b621791020c3082",
    "predict_base": "9799b57a8173905e",
    "score": "7afdc514636de31c",
    "gate": "e209c7c76a28a29b",
}


@pytest.mark.parametrize("step", GOLDEN)
def test_golden(step):
    assert keys.step_key(INPUTS[step])[:16] == GOLDEN[step]


def test_unused_fields_leave_no_trace():
    assert "early_stopping" not in keys.train_inputs(Spec.model_validate(SPEC), "9" * 64, PREPARED)["training"]
    assert "champion" not in INPUTS["gate"]


def trained_with(**training):
    return keys.train_inputs(Spec.model_validate({**SPEC, "training": training}), "9" * 64, PREPARED)["training"]


def test_a_field_that_came_later_leaves_no_trace_while_it_has_its_default():
    assert trained_with(lora={"rslora": False}) == trained_with()
    assert trained_with(lora={"rslora": True})["lora"]["rslora"] is True


def test_settings_of_an_objective_decide_it_alone():
    assert trained_with(dpo={"beta": 0.5}) == trained_with()
    assert trained_with(objective="dpo", dpo={"beta": 0.5}) != trained_with(objective="dpo")


def test_a_whole_model_does_not_depend_on_adapter_settings():
    assert trained_with(method="full", lora={"r": 4}) == trained_with(method="full")


def test_a_chat_template_decides_training_and_answers():
    template = "{{ messages }}"
    train = keys.train_inputs(SPEC_V1, "9" * 64, PREPARED, template)
    predict = keys.predict_inputs("9" * 64, None, "llama_cpp", SPEC_V1.evaluation.generation, "d" * 64, template)
    for found, without in ((train, INPUTS["train"]), (predict, INPUTS["predict_base"])):
        assert found == without | {"chat_template": keys.template_digest(template)}


def test_a_gate_on_the_champion_depends_on_which_it_is():
    gates = [{"metric": "exact_match", "beats": "champion"}]
    spec = Spec.model_validate({**SPEC, "evaluation": {**SPEC["evaluation"], "gates": gates}})
    assert keys.gate_inputs(spec, SCORED, "1.0.0") != keys.gate_inputs(spec, SCORED, "1.1.0")
