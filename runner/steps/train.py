"""TRAIN: canonical rows and base weights -> adapter (or whole checkpoint) and loss curve, on the spec's backend."""

from __future__ import annotations

import json

from runner.errors import Location, TerminalError
from runner.inference.agreement import check_same_tokens, refuse_calls_as_answers
from runner.models.cores import ROUNDS_IN_TRAINING, wait_politely
from runner.models.hf_to_gguf import gguf_obstacle
from runner.progress import Progress
from runner.steps.context import StepContext, StepResult, to_json, to_jsonl
from runner.training.backend import Tracking, TrainJob, open_backend
from runner.training.curve import curve_of


def run(context: StepContext) -> StepResult:
    """Train, and store what came of it.

    Raises:
        TerminalError: when the rows are none that the objective learns from, or the loss is not a number: the same
            inputs would fail again.
        GituneError: when the serving engine would read other tokens than training does.
    """
    # Before the comparison of tokens loads the serving engine, for which other threads would do.
    wait_politely(ROUNDS_IN_TRAINING)
    spec, registry = context.subject.spec, context.registry
    _require_data_of_objective(context)
    base = context.base()
    job = TrainJob(
        base=base,
        train=registry.fetch(context.output("prepare", "train")),
        validation=registry.fetch(context.output("prepare", "validation")),
        training=spec.training,
        # Whatever engine is asked for now: another one must not need another training.
        export_gguf=spec.training.method != "dora" and gguf_obstacle(base.checkpoint) is None,
        out=context.scratch,
        state=context.state,
        tracking=Tracking(context.trackers, f"{spec.name}-{spec.version}", context.cache / "runs" / spec.name),
    )
    context.report(Progress(f"comparing the tokens of training and {spec.engine}"))
    refuse_calls_as_answers(spec.engine, context.rows("test"))
    check_same_tokens(spec.engine, base, context.rows("train"), spec.training)
    context.report(Progress("loading training libraries"))
    result = open_backend(spec.backend).train(job, context.report)
    outputs = {
        "adapter": registry.put_tree(result.adapter),
        "metrics": registry.put_bytes(to_jsonl(result.lines)),
        "curve": registry.put_bytes(to_json(curve_of(result.lines))),
    }
    return StepResult(outputs, result.metrics)


def _require_data_of_objective(context: StepContext) -> None:
    """Refuse rows that an objective cannot use, or of which it would drop half without a word."""
    pairs = context.subject.spec.training.objective == "dpo"
    wrong = [row.id for part in ("train", "validation") for row in context.rows(part) if bool(row.rejected) != pairs]
    if not wrong:
        return
    sources = map(json.loads, context.registry.read(context.output("prepare", "sources")).splitlines())
    places = {row["id"]: Location(row["file"], row["line"]) for row in sources if row["split"] != "test"}
    count = f"{len(wrong)} rows, such as this one," if len(wrong) > 1 else "this row"
    if pairs:
        message, other, remedy = "dpo: there is no `rejected` answer", "sft", "add `chosen` and `rejected`"
    else:
        message, other, remedy = "sft: there is a `rejected` answer", "dpo", "keep the better answers alone"
    raise TerminalError(
        f"{count} cannot be learned by {message}",
        hint=f"set training.objective: {other}, or {remedy}",
        where=places[wrong[0]],
    )
