"""PREDICT: test prompts -> answers of base, tuned or champion, written by the engine that will serve.

Answers are kept as they come: a killed prediction goes on at the first missing prompt. What an engine refuses to answer
is stored apart, as an error and not as a wrong answer; more than a few of those end the step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner.data.prompts import Prompt
from runner.errors import GituneError, TerminalError, TransientError
from runner.evaluation.stored import MOST_UNANSWERED
from runner.inference.answer_log import AnswerLog
from runner.inference.bulk import answer_all
from runner.inference.engine import Answer, ModelFiles, Refused
from runner.inference.pace import Pace
from runner.inference.probe import Asked
from runner.plan.decision import RIVAL_OUTPUTS
from runner.plan.rivals import CHAMPION, is_champion_alone
from runner.progress import Progress, Report
from runner.registry.chain import homes
from runner.registry.facts import Artifact, Record, Step, Version
from runner.registry.views import RegistryReader
from runner.spec.evaluation import Generation
from runner.steps.context import StepContext, StepPart, StepResult, to_jsonl

_TOLD = 3


def run(context: StepContext, step: Step) -> StepResult:
    """Answer every test prompt.

    Raises:
        TerminalError: when too many prompts are refused, and would be again.
        GituneError: when a prompt has no answer for another reason; a missing answer is never a wrong one.
    """
    if step == "predict_champion" and not is_champion_alone(context.rivals):
        return _predict_several(context)
    return _predict(context, step, asked_in(context, step), context.state)


def _predict_several(context: StepContext) -> StepResult:
    """Have each rival answer that has not, and store all answers in one place, by rival."""
    outputs: dict[str, Artifact] = {}
    counts: dict[str, Mapping[str, Any]] = {}
    parts = []
    for rival in context.rivals:
        record = rival.earlier or _known(context.registry, rival.key)
        if record is not None:
            result = StepResult(record.outputs, record.metrics)
        else:
            context.report(Progress(f"asking {rival.name}"))
            started = datetime.now(UTC)
            asked = as_released(context, rival.version)
            result = _predict(context, "predict_champion", asked, context.state / rival.key)
            parts.append(StepPart(rival.inputs, result, started, datetime.now(UTC)))
        suffix = "" if rival.subject == CHAMPION else f".{rival.subject}"
        outputs |= {f"{name}{suffix}": result.outputs[name] for name in RIVAL_OUTPUTS if name in result.outputs}
        counts[rival.subject] = {"model": rival.name, **result.metrics}
    answers = sum(count["answers"] for count in counts.values())
    return StepResult(outputs, {"answers": answers, "rivals": counts}, parts)


def _known(registry: RegistryReader, key: str) -> Record | None:
    found = (registry.record(home, key) for home in homes("predict_champion"))
    return next((record for record in found if record is not None), None)


def _predict(context: StepContext, step: Step, asked: Asked, state: Path) -> StepResult:
    prompts = context.prompts()
    answers, refused = _reply(asked, prompts, state, context.report)
    _require_few(step, refused, prompts)
    whole = [
        [answers[prompt.id, sample] for sample in range(asked.settings.samples) if (prompt.id, sample) in answers]
        for prompt in prompts
        if prompt.id not in refused
    ]
    if any(len(found) < asked.settings.samples for found in whole):
        raise GituneError(f"{step}: prompts are left that got no answer")
    ordered = [answer for found in whole for answer in found]
    found = {"answers": [_without_time(answer) for answer in ordered], "timings": [_timing(a) for a in ordered]}
    if refused:
        found["errors"] = [{"prompt_id": name, "error": refused[name].error} for name in sorted(refused)]
    outputs = {name: context.registry.put_bytes(to_jsonl(lines)) for name, lines in found.items()}
    metrics = {"answers": len(ordered), "completion_tokens": sum(answer.completion_tokens for answer in ordered)}
    return StepResult(outputs, metrics | ({"errors": len(refused)} if refused else {}))


def _reply(
    asked: Asked, prompts: Sequence[Prompt], state: Path, report: Report
) -> tuple[Mapping[tuple[str, int], Answer], Mapping[str, Refused]]:
    """Return the answers by prompt and sample, an earlier run's among them, and what was refused by prompt."""
    refused: dict[str, Refused] = {}
    total = len(prompts) * asked.settings.samples
    with AnswerLog(state, prompts) as log:
        pace = Pace(report, len(log.answers), total)
        if len(log.answers) < total:
            for reply in answer_all(asked.engine, asked.model, prompts, asked.settings, pace, log.done):
                if isinstance(reply, Refused):
                    refused.setdefault(reply.prompt_id, reply)
                elif log.add(reply):
                    pace.count()
        return log.answers, refused


def _require_few(step: Step, refused: Mapping[str, Refused], prompts: Sequence[Prompt]) -> None:
    if len(refused) <= MOST_UNANSWERED * len(prompts):
        return
    told = [f"{name}: {refused[name].error}" for name in sorted(refused)[:_TOLD]]
    more = f"; and {len(refused) - _TOLD} more" if len(refused) > _TOLD else ""
    lasting = all(one.lasting for one in refused.values())
    kind, hint = (
        (TerminalError, "shorten those rows, or take them out of the test split")
        if lasting
        else (TransientError, "apply again: what is answered stays answered")
    )
    raise kind(
        f"{step}: {len(refused)} of {len(prompts)} prompts could not be answered, and {MOST_UNANSWERED:.0%} may be: "
        f"{'; '.join(told)}{more}",
        hint=hint,
    )


def _without_time(answer: Answer) -> dict[str, Any]:
    """Leave out how long it took: equal answers must have equal bytes."""
    values = asdict(answer)
    del values["seconds"]
    return _numbered(values, answer)


def _timing(answer: Answer) -> dict[str, Any]:
    return _numbered({"prompt_id": answer.prompt_id, "seconds": round(answer.seconds, 4)}, answer)


def _numbered(values: dict[str, Any], answer: Answer) -> dict[str, Any]:
    """Name the sample where it is not the first, which is all that most predictions have."""
    values.pop("sample", None)
    return values | ({"sample": answer.sample} if answer.sample else {})


def asked_in(context: StepContext, step: Step) -> Asked:
    """Return who answers in a step."""
    subject = context.subject
    if step == "predict_champion" and context.champion is not None:
        return as_released(context, context.champion)
    model = ModelFiles(context.base(), None)
    if step == "predict_tuned":
        model = ModelFiles.tuned(model.base, context.registry.fetch(context.output("train", "adapter")))
    return Asked(subject.spec.engine, model, subject.spec.evaluation.generation)


def as_released(context: StepContext, version: Version) -> Asked:
    """Return a released version as it was released: its own weights, engine and settings."""
    content = version.content
    model = ModelFiles.tuned(context.base(context.base_of(content)), context.registry.fetch(content.adapter))
    return Asked(content.engine, model, Generation(**content.generation))
