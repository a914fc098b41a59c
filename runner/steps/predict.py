"""PREDICT: test prompts -> answers of base, tuned or champion, written by the engine that will serve."""

from __future__ import annotations

from dataclasses import asdict

from runner.errors import GituneError
from runner.inference.bulk import answer_all
from runner.inference.engine import Answer, ModelFiles
from runner.registry.facts import Step
from runner.spec.models import Generation
from runner.steps.context import StepContext, StepResult, to_jsonl


def run(context: StepContext, step: Step) -> StepResult:
    """Answer every test prompt once.

    Raises:
        GituneError: when a prompt has no answer; a missing answer is never a wrong one.
    """
    engine_name, model, settings = _asked(context, step)
    prompts = context.prompts()
    found = answer_all(engine_name, model, prompts, settings, context.report)
    answers = {answer.prompt_id: answer for answer in found}
    missing = [prompt.id for prompt in prompts if prompt.id not in answers]
    if missing:
        raise GituneError(f"{step}: {len(missing)} of {len(prompts)} prompts got no answer, such as {missing[0]}")
    ordered = [answers[prompt.id] for prompt in prompts]
    outputs = {
        "answers": context.registry.put_bytes(to_jsonl([_without_time(answer) for answer in ordered])),
        "timings": context.registry.put_bytes(
            to_jsonl([{"prompt_id": a.prompt_id, "seconds": round(a.seconds, 4)} for a in ordered])
        ),
    }
    tokens = sum(answer.completion_tokens for answer in ordered)
    return StepResult(outputs, {"answers": len(ordered), "completion_tokens": tokens})


def _without_time(answer: Answer) -> dict[str, object]:
    """Leave out how long it took: equal answers must have equal bytes."""
    values = asdict(answer)
    del values["seconds"]
    return values


def _asked(context: StepContext, step: Step) -> tuple[str, ModelFiles, Generation]:
    subject = context.subject
    if step == "predict_champion" and context.champion is not None:
        content = context.champion.content
        model = ModelFiles.tuned(context.base(context.base_of(content)), context.registry.fetch(content.adapter))
        return content.engine, model, Generation(**content.generation)
    model = ModelFiles(context.base(), None)
    if step == "predict_tuned":
        model = ModelFiles.tuned(model.base, context.registry.fetch(context.output("train", "adapter")))
    return subject.spec.engine, model, subject.spec.evaluation.generation
