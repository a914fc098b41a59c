"""What a spec itself says to a step whose other inputs are not known yet: its own changes, told before they are due.

A training that waits for `prepare` still says `training.lora.r 16 → 8`: whatever the rows will be, that is another
training than the last one.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime

from runner.plan import keys
from runner.plan.changes import explain_miss
from runner.plan.keys import Inputs
from runner.plan.reasons import Change
from runner.plan.walk import Walk
from runner.registry.facts import Artifact, Record, Step

# Inputs that earlier steps yield.
YIELDED = {
    "adapter",
    "answers",
    "losses",
    "neighbours",
    "probe",
    "prompts",
    "scores",
    "slice_values",
    "test",
    "train",
    "validation",
}

# Where the inputs of a step say nothing of their own: a champion is as it was released.
NOTHING: Inputs = {}


def own_changes(step: Step, walk: Walk) -> list[Change]:
    """Return what the spec itself changes for a step, against its newest run of it.

    Args:
        step: a step that depends on an earlier one.
        walk: a walk that has looked at every step.
    """
    now = _settings(step, walk)
    last = next(walk.history.own(step, walk.subject.spec.name), None)
    if last is None or not now:
        return []
    then = last.model_copy(update={"inputs": _own(last.inputs)})
    return explain_miss(_own(now), then, walk.subject, walk.history)


def _settings(step: Step, walk: Walk) -> Inputs:
    spec, base, contract = walk.subject.spec, walk.subject.base, walk.subject.contract
    engine, generation = spec.engine, spec.evaluation.generation
    match step:
        case "train":
            return keys.train_inputs(spec, base.digest, _UNKNOWN, base.chat_template)
        case "predict_base" | "predict_tuned":
            return keys.predict_inputs(base.digest, None, engine, generation, "", base.chat_template)
        case "score":
            return keys.score_inputs(spec, _UNKNOWN, {}, contract, measures=walk.subject.measures)
        case "gate":
            champion = walk.champion
            return keys.gate_inputs(spec, _UNKNOWN, champion.version if champion else None, walk.rival_names)
        case _:
            return NOTHING


def _own(inputs: Inputs) -> Inputs:
    return {name: value for name, value in inputs.items() if name not in YIELDED}


_UNKNOWN = Record.model_construct(
    step="prepare",
    key="",
    inputs={},
    outputs=defaultdict(lambda: Artifact(digest="", size=0)),
    spec="",
    version="",
    started=datetime.min.replace(tzinfo=UTC),
    finished=datetime.min.replace(tzinfo=UTC),
)
"""Stands for a record that no step has yielded yet; nothing of it is looked at."""
