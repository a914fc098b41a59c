"""The part of SCORE that needs the models: how long base, tuned and rivals take for an answer, measured in one run."""

from __future__ import annotations

from collections.abc import Mapping

from runner.inference.probe import probe
from runner.registry.facts import Step
from runner.steps.context import StepContext

_OWN: Mapping[str, Step] = {"base": "predict_base", "tuned": "predict_tuned"}


def probe_models(context: StepContext) -> dict[str, list[float]]:
    """Return the seconds of a few answers by subject; nothing where no metric of the spec asks for that."""
    if not context.subject.is_probed:
        return {}
    from runner.steps.predict import as_released, asked_in

    models = {name: asked_in(context, step) for name, step in _OWN.items()}
    for rival in context.rivals:
        # One whose weights are lost answers nothing any more.
        if context.registry.exists(rival.version.content.adapter):
            models[rival.subject] = as_released(context, rival.version)
    return probe(models, context.prompts(), context.report)
