"""How long a model takes for an answer: one question at a time, to every model in turn, in one run on one machine.

`probe({"base": ..., "tuned": ...}, prompts, report)` -> seconds of each answer. Times of a prediction say nothing of
it: several answers are written side by side there, and stored ones come from another day or machine.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.errors import UsageError
from runner.inference.engine import ModelFiles, bulk_body, open_engine
from runner.progress import Progress, Report

if TYPE_CHECKING:
    from runner.data.prompts import Prompt
    from runner.spec.evaluation import Generation

COST = "cost_per_1000"

PROBED = frozenset({"latency_p50", "latency_p95", COST})
"""Metrics that ask for it."""

PROMPTS = 20
"""Questions whose answers are timed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Who is asked, and how answers are written."""

    engine: str
    """`llama_cpp` or `transformers`."""
    model: ModelFiles
    """What answers."""
    settings: Generation
    """How it writes."""


def is_probed(metrics: Collection[str], *, by_token: bool = False) -> bool:
    """Whether a spec's metrics ask how long an answer takes; a cost does not where answers are paid by the token."""
    return not (PROBED - {COST} if by_token else PROBED).isdisjoint(metrics)


def probe(models: Mapping[str, Asked], prompts: Sequence[Prompt], report: Report) -> dict[str, list[float]]:
    """Return the seconds of each model's answers to the same few questions.

    Engines have one slot and the threads that serving gives them. Each is warmed up with one question more. The models
    take turns at every question, so that whatever else the machine does falls on all of them.

    Args:
        models: who is asked, by what scores call it.
        prompts: the test prompts; their ids, which are hashes, choose.
        report: told how many questions are done.
    """
    chosen = sorted(prompts, key=lambda prompt: prompt.id)[: PROMPTS + 1]
    # A question that was just asked is half answered: the one that warms up is timed only where it is alone.
    timed = chosen[1:] or chosen
    seconds: dict[str, list[float]] = {name: [] for name in models}
    with ExitStack() as stack:
        report(Progress("opening models to measure latency"))
        engines = {
            name: stack.enter_context(open_engine(asked.engine, asked.model, slots=1)) for name, asked in models.items()
        }
        for number, prompt in enumerate([*chosen[:1], *timed]):
            times = {}
            try:
                for name, engine in engines.items():
                    started = time.monotonic()
                    engine.chat(bulk_body(prompt, models[name].settings))
                    times[name] = round(time.monotonic() - started, 4)
            except UsageError:  # one that does not fit the context is timed for nobody
                continue
            for name, took in times.items() if number else ():
                seconds[name].append(took)
            report(Progress("measuring latency", number, len(timed), "questions"))
    return seconds


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return `latency_p50` and `latency_p95`, interpolated between the nearest two; nothing where nothing was timed.

    Args:
        seconds: of each answer.
    """
    if not seconds:
        return {}
    # A single one is all there is on either side.
    ranks = statistics.quantiles(seconds if len(seconds) > 1 else [*seconds, *seconds], n=100, method="inclusive")
    return {"latency_p50": round(ranks[49], 4), "latency_p95": round(ranks[94], 4)}
