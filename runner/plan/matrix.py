"""A plan -> the jobs that CI starts: one for each spec that must be trained or answer, on the machine that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from runner.errors import GituneError
from runner.plan.model import Plan, SpecPlan
from runner.plan.subject import Subject
from runner.registry.facts import Step
from runner.spec.config import Config

NEEDS_MODEL: tuple[Step, ...] = ("train", "predict_base", "predict_tuned", "predict_champion")

MOST_JOBS = 256
"""Jobs of one matrix; GitHub refuses more."""


class Job(TypedDict):
    """One job of the matrix."""

    spec: str
    """Name of the spec."""
    profile: str
    """What its `compute.profile` says."""
    runs_on: list[str]
    """Labels of the machine."""
    timeout_minutes: int
    """When it is ended."""


def matrix_of(plan: Plan, subjects: Sequence[Subject], config: Config) -> dict[str, list[Job]]:
    """Return the matrix of a plan, as `strategy.matrix` of GitHub takes it; no jobs where nothing needs a model.

    Args:
        plan: what an apply would do.
        subjects: its specs.
        config: the machines, from the base branch.

    Raises:
        GituneError: when there are more jobs than GitHub starts.
    """
    by_name: Mapping[str, Subject] = {subject.spec.name: subject for subject in subjects}
    jobs = [_job(by_name[spec.name], config) for spec in plan.specs if spec.removed is None and _needs_model(spec)]
    if len(jobs) > MOST_JOBS:
        raise GituneError(
            f"{len(jobs)} specs need a job, and GitHub starts {MOST_JOBS} of one matrix",
            hint="change fewer at a time, or apply them on a machine of your own: `gitune apply --parallel N`",
        )
    return {"include": jobs}


def _needs_model(spec: SpecPlan) -> bool:
    if any(step.action == "BLOCKED" and step.step == "train" for step in spec.steps):
        return False
    return any(spec.step(step).action in ("RUN", "DEPENDS", "WAIT") for step in NEEDS_MODEL)


def _job(subject: Subject, config: Config) -> Job:
    profile = subject.spec.compute.profile
    machine = config.machine(profile)
    if machine is None:  # refused when the spec was read
        raise GituneError(f"{subject.spec.name}: no machine is named {profile}")
    return Job(
        spec=subject.spec.name, profile=profile, runs_on=machine.runs_on, timeout_minutes=machine.timeout_minutes
    )


def alias_of(spec: SpecPlan, subjects: Sequence[Subject]) -> str:
    """Return the alias that a planned spec moves, or takes away."""
    if spec.removed is not None:
        return spec.removed
    return next(one.spec.deployment.alias for one in subjects if one.spec.name == spec.name)


def aliases_of(plan: Plan, subjects: Sequence[Subject]) -> list[str]:
    """Return the aliases of specs that have anything to do, in order: each has a queue of its own."""
    busy = (spec for spec in plan.specs if any(step.action not in ("REUSE", "NONE") for step in spec.steps))
    return sorted({alias_of(spec, subjects) for spec in busy})
