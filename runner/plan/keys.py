"""Step keys: for each step the inputs that decide its output, and nothing else; the key is their sha256.

Inputs hold effective configuration (after defaults) and content digests, never paths, names or times. `None` means
"not used" and is left out, so a field that a later release adds with the default `None` changes no existing key; the
golden keys in tests/plan pin this. Raise a step's implementation number when its output would change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.digest import digest_bytes, digest_json
from runner.evaluation.fit import FIT_METRICS
from runner.models.base import BaseRef
from runner.registry.facts import Content, Record, Step
from runner.spec.evaluation import Gate, Generation
from runner.spec.models import Spec, Training
from runner.spec.section import Section

Inputs = dict[str, Any]

IMPLEMENTATION: Mapping[Step, int] = {
    "prepare": 2,
    "train": 2,
    "predict_base": 3,
    "predict_tuned": 3,
    "predict_champion": 3,
    "score": 2,
    "gate": 2,
    "deploy": 1,
}

# Both change memory and speed; gradients are added up to those of the same effective batch.
NOT_DECISIVE = {"micro_batch_size", "parallelism"}

# Fields of `training` and `training.lora` that came later: keys are without them while they have the value that was the
# only one before.
CAME_LATER: Mapping[str, object] = {"train_on": "all_turns", "train_on_prompt": False, "rslora": False}


def step_key(inputs: Inputs) -> str:
    """Return the key of a step's inputs."""
    return digest_json(inputs)


def effective(section: Section, *, leave_out: set[str] | None = None) -> Inputs:
    """Return a section's values after defaults, without those that are `None`."""
    return section.model_dump(mode="json", exclude_none=True, exclude=leave_out or set())


def _present(inputs: Inputs) -> Inputs:
    return {name: value for name, value in inputs.items() if value is not None}


def prepare_inputs(spec: Spec, files: Mapping[str, Sequence[str]], contract: object) -> Inputs:
    """Decide the canonical dataset: file contents in any order, how rows are read, split and checked.

    Args:
        spec: the spec.
        files: sha256 of every source file, by role (`train`, `validation`, `test`).
        contract: JSON value that decides the format contract's verdicts.
    """
    data = spec.dataset
    return _present(
        {
            "implementation": IMPLEMENTATION["prepare"],
            "files": {role: sorted(digests) for role, digests in files.items() if digests},
            "format": data.format,
            "system_prompt": data.system_prompt,
            "label": data.label,
            "split": effective(data.split),
            "checks": effective(data.checks),
            "contract": contract,
            "slices": _slices(spec),
        }
    )


def train_inputs(spec: Spec, base_digest: str, prepared: Record, chat_template: str | None = None) -> Inputs:
    """Decide the adapter: base weights, chat template where it is not the base's own, rows and hyperparameters."""
    return _present(
        {
            "implementation": IMPLEMENTATION["train"],
            "backend": spec.backend,
            "base_model": base_digest,
            "chat_template": template_digest(chat_template),
            "train": prepared.outputs["train"].digest,
            "validation": prepared.outputs["validation"].digest,
            "training": _training(spec.training),
        }
    )


def template_digest(chat_template: str | None) -> str | None:
    """Return what stands for a chat template in keys."""
    return None if chat_template is None else digest_bytes(chat_template.encode())


def _training(training: Training) -> Inputs:
    values = _as_before(effective(training, leave_out=NOT_DECISIVE))
    if training.objective == "sft":
        del values["dpo"]
    if training.method == "full":
        del values["lora"]
        return values
    values["lora"] = _as_before(values["lora"])
    if isinstance(modules := values["lora"]["target_modules"], list):
        values["lora"]["target_modules"] = sorted(modules)
    return values


def _as_before(values: Inputs) -> Inputs:
    return {name: value for name, value in values.items() if (name, value) not in CAME_LATER.items()}


def predict_inputs(
    base_digest: str,
    adapter: str | None,
    engine: str,
    generation: Generation | Mapping[str, Any],
    prompts: str,
    chat_template: str | None = None,
) -> Inputs:
    """Decide the answers: weights, prompts, engine and generation settings, whichever spec or version asks.

    `base_digest` covers the base model's own chat template; `chat_template` is one that takes its place.
    """
    settings = effective(generation) if isinstance(generation, Generation) else dict(generation)
    return _present(
        {
            "implementation": IMPLEMENTATION["predict_base"],
            "base_model": base_digest,
            "chat_template": template_digest(chat_template),
            "adapter": adapter,
            "engine": engine,
            "generation": settings,
            "prompts": prompts,
        }
    )


def version_inputs(content: Content, prompts: str) -> Inputs:
    """Decide the answers of a released version, as it was released."""
    adapter, template = content.adapter.digest, content.chat_template
    return predict_inputs(content.base_digest, adapter, content.engine, content.generation, prompts, template)


def rivals_inputs(prompts: str, rivals: Mapping[str, Inputs]) -> Inputs:
    """Decide the answers of several released versions: what decides those of each, by what gates call it."""
    common = ("implementation", "prompts")
    return {
        "implementation": IMPLEMENTATION["predict_champion"],
        "prompts": prompts,
        "rivals": {
            subject: {name: value for name, value in inputs.items() if name not in common}
            for subject, inputs in rivals.items()
        },
    }


def score_inputs(
    spec: Spec,
    prepared: Record,
    answers: Mapping[str, Record],
    contract: object,
    trained: Record | None = None,
    *,
    measures: object = None,
) -> Inputs:
    """Decide the scores: references, answers by subject, metrics, label field and format contract.

    Definitions of the spec's own metrics and the losses of the training count where they are used, and `measures`:
    what metrics from outside need (`evaluation.outside`), such as programs, rubrics and models.
    """
    return _present(
        {
            "implementation": IMPLEMENTATION["score"],
            "test": prepared.outputs["test"].digest,
            "answers": {subject: record.outputs["answers"].digest for subject, record in answers.items()},
            "metrics": sorted(spec.evaluation.metrics),
            "custom_metrics": own_definitions(spec) or None,
            "losses": _losses(spec, trained),
            "label": spec.dataset.label,
            "contract": contract,
            "slices": _slices(spec),
            **beside_rows(prepared),
            "measures": measures,
        }
    )


def own_definitions(spec: Spec) -> Inputs:
    """Return the used definitions of a spec's own metrics, by name; what files beside it say is no part of them."""
    return {
        own.name: own.model_dump(mode="json", exclude_defaults=True, exclude={"name", "rubric", "calibration"})
        for own in spec.evaluation.custom_metrics
        if own.name in spec.evaluation.metrics
    }


def _losses(spec: Spec, trained: Record | None) -> str | None:
    if trained is None or FIT_METRICS.isdisjoint(spec.evaluation.metrics):
        return None
    return digest_json([trained.metrics.get("train_loss"), trained.metrics.get("validation_loss")])


def probe_inputs(answers: Mapping[str, Record]) -> Inputs:
    """Return what of a scoring that measures latency depends on the models themselves."""
    models = {
        subject: record.inputs.get("rivals", {}).get(subject, record.inputs) for subject, record in answers.items()
    }
    asked = ("base_model", "chat_template", "adapter", "engine", "generation", "earlier")
    return {
        "probe": {
            subject: {name: value for name, value in inputs.items() if name in asked}
            for subject, inputs in models.items()
        }
    }


def _slices(spec: Spec) -> list[str] | None:
    return sorted(set(spec.evaluation.slices)) or None


def beside_rows(prepared: Record) -> Inputs:
    """Return digests of what was prepared beside the test rows; what an older release prepared has nothing there."""
    found = {"neighbours": prepared.outputs.get("neighbours"), "slice_values": prepared.outputs.get("slices")}
    return {name: artifact.digest for name, artifact in found.items() if artifact is not None}


def gate_inputs(spec: Spec, scored: Record, champion: str | None, rivals: Mapping[str, str] | None = None) -> Inputs:
    """Decide the verdicts: scores, conditions, and the champion and other versions that a condition names."""
    asks_champion = any(gate.rival == "champion" for gate in spec.evaluation.gates)
    return _present(
        {
            "implementation": IMPLEMENTATION["gate"],
            "scores": scored.outputs["scores"].digest,
            "gates": [_gate(gate) for gate in spec.evaluation.gates],
            "on_inconclusive": spec.evaluation.on_inconclusive,
            "champion": champion if asks_champion else None,
            "rivals": dict(rivals) if rivals else None,
        }
    )


def _gate(gate: Gate) -> Inputs:
    return effective(gate)


def content_of(spec: Spec, base: BaseRef, train_key: str, trained: Record) -> Content:
    """Return what a version released from this spec would be."""
    return Content(
        base_model=spec.base_model,
        base_digest=base.digest,
        chat_template=base.chat_template,
        train_key=train_key,
        adapter=trained.outputs["adapter"],
        engine=spec.engine,
        generation=effective(spec.evaluation.generation),
        system_prompt=spec.dataset.system_prompt,
    )


def same_model(content: Content, spec: Spec, base: BaseRef, train_key: str) -> bool:
    """Whether a released version answers exactly as this spec would: same training, engine and settings."""
    return (
        content.base_digest == base.digest
        and content.chat_template == base.chat_template
        and content.train_key == train_key
        and content.engine == spec.engine
        and content.generation == effective(spec.evaluation.generation)
        and content.system_prompt == spec.dataset.system_prompt
    )
