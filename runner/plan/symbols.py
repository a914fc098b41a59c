"""A spec -> the inputs of each of its steps without running any: what a step would yield is stood for by its own key.

Two specs have the same symbolic inputs of a step exactly when that step would have the same key for both, as far as
content decides it. The inputs are made by `runner.plan.keys`, as real ones are, so the two cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from runner.digest import digest_json
from runner.plan import keys
from runner.plan.subject import Subject
from runner.registry.facts import Artifact, Record, Step
from runner.spec.models import Spec

PREPARED = ("train", "validation", "test", "prompts")
CHAMPION = "the champion"
"""Stands for whatever version gates compare with: the registry knows it, a spec does not."""

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def step_inputs(subject: Subject, prepared: Mapping[str, str] | None = None) -> dict[Step, keys.Inputs]:
    """Return the inputs of every step that a spec decides.

    Args:
        subject: the spec.
        prepared: digests of what its `prepare` yields, where its rows were read; else its key stands for them.
    """
    spec, base = subject.spec, subject.base
    files = {role: list(digests.values()) for role, digests in subject.files.items()}
    prepare = keys.prepare_inputs(spec, files, subject.contract)
    rows = _yields(_prepared(spec, prepare, prepared))
    train = keys.train_inputs(spec, base.digest, rows, base.chat_template)

    def answers(adapter: str | None) -> keys.Inputs:
        prompts = rows.outputs["prompts"].digest
        settings = spec.evaluation.generation
        return keys.predict_inputs(base.digest, adapter, spec.engine, settings, prompts, base.chat_template)

    predict = {"base": answers(None), "tuned": answers(keys.step_key(train))}
    answered = {name: _yields({"answers": keys.step_key(inputs)}) for name, inputs in predict.items()}
    trained = _yields({}).model_copy(update={"metrics": {"validation_loss": keys.step_key(train)}})
    score = keys.score_inputs(spec, rows, answered, subject.contract, subject.measures, trained)
    gate = keys.gate_inputs(spec, _yields({"scores": keys.step_key(score)}), CHAMPION)
    deployment = spec.deployment
    return {
        "prepare": prepare,
        "train": train,
        "predict_base": predict["base"],
        "predict_tuned": predict["tuned"],
        "score": score,
        "gate": gate,
        "deploy": {"version": spec.version, "alias": deployment.alias, "target": deployment.target},
    }


def _prepared(spec: Spec, prepare: keys.Inputs, rows: Mapping[str, str] | None) -> Mapping[str, str]:
    """Return what stands for the outputs of `prepare`: neighbours follow from rows, values beside them from files."""
    found = rows or {name: digest_json([keys.step_key(prepare), name]) for name in PREPARED}
    more = {"neighbours": digest_json([found["train"], found["test"]])}
    if spec.evaluation.slices:
        more["slices"] = digest_json([prepare["files"], prepare["slices"]])
    return {**more, **found}


def _yields(outputs: Mapping[str, str]) -> Record:
    artifacts = {name: Artifact(digest=digest, size=0) for name, digest in outputs.items()}
    return Record(
        step="prepare", key="", inputs={}, outputs=artifacts, spec="", version="", started=_NEVER, finished=_NEVER
    )
