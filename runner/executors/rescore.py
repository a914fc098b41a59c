"""Stored answers, and metrics or gates as they are now -> what the gates would say. Runs no model and keeps nothing.

The steps are those of an apply, called with a registry whose writes are thrown away: `gitune apply --through gate`
would come to the same verdicts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner.errors import UsageError
from runner.executors.work import StepWork
from runner.plan.decision import Decision
from runner.plan.walk import Walk
from runner.progress import Report
from runner.registry.facts import STEPS, Record, Step
from runner.registry.registry import Registry
from runner.steps.context import StepContext

WITHOUT_MODEL: tuple[Step, ...] = ("prepare", "score", "gate")


@dataclass(frozen=True, slots=True)
class Rescored:
    """What the gates say now."""

    released: bool
    """Whether this version is released: gates decided that once."""
    ran: tuple[Step, ...]
    """Steps that the registry had no record of for the spec as it is."""
    gate: Mapping[str, Any]
    """Metrics of the gate's record: `outcome`, `release`, `verdicts`."""
    scores: Mapping[str, Any]
    """Metrics of the score's record: values by subject."""


def rescore(walk: Walk, registry: Registry, cache: Path, scratch: Path, report: Report) -> Rescored:
    """Score and judge a spec from stored answers.

    Args:
        walk: over `registry`, with nothing decided yet.
        registry: reads all, and keeps what is written to itself.
        cache: machine-wide cache.
        scratch: empty folder.
        report: told about progress.

    Raises:
        UsageError: when answers are missing that only a model can give.
        GituneError: when the answers cannot be scored or judged.
    """
    ran: list[Step] = []
    for step in STEPS[:-1]:
        decision = walk.decide(step)
        judged_long_ago = step == "gate" and walk.released is not None
        if decision.action in ("REUSE", "NONE") and not judged_long_ago:
            walk.settle(decision)
            continue
        if step == "score" and walk.subject.is_probed:
            raise _needs_models(walk)
        if step not in WITHOUT_MODEL or (decision.action != "RUN" and not judged_long_ago):
            raise _no_answers(walk, decision)
        folder = scratch / step
        folder.mkdir(parents=True)
        context = StepContext(walk.subject, registry, walk.records, walk.champion, cache, folder, folder)
        started = datetime.now(UTC)
        result = StepWork(step, context)(report)
        spec = walk.subject.spec
        record = Record(
            step=step,
            key=decision.key or "",
            inputs=decision.inputs,
            outputs=dict(result.outputs),
            metrics=dict(result.metrics),
            spec=spec.name,
            version=spec.version,
            commit=None,
            started=started,
            finished=datetime.now(UTC),
            environment={},
        )
        walk.settle(decision, record)
        ran.append(step)
    return Rescored(walk.released is not None, tuple(ran), walk.records["gate"].metrics, walk.records["score"].metrics)


def _needs_models(walk: Walk) -> UsageError:
    spec = walk.subject.spec
    return UsageError(
        f"{spec.name} {spec.version} cannot be scored without its models: latency, or a cost that it is part of, is "
        "measured with them",
        hint="`gitune apply --through evaluate` does it; or leave that metric out for now",
    )


def _no_answers(walk: Walk, decision: Decision) -> UsageError:
    spec = walk.subject.spec
    return UsageError(
        f"{spec.name} {spec.version} has no stored answers to score: {decision.step} has to run ({decision.reason})",
        hint="`gitune apply --through evaluate` runs it",
    )
