"""What a plan said would run, and what did: (planned, ran, registry reader) -> steps that were left out."""

from __future__ import annotations

from collections.abc import Sequence

from runner.plan.decision import PREDICT_STEPS
from runner.plan.model import PlannedStep, SpecPlan
from runner.registry.facts import Step
from runner.registry.views import RegistryReader


def undone(planned: SpecPlan, ran: Sequence[Step], reader: RegistryReader) -> list[Step]:
    """Return the steps that a plan said would run, and that neither ran nor were done by another run meanwhile.

    So an apply that did nothing is a success only where its plan said so, or somebody else did it all.
    """
    return [
        step.step
        for step in planned.steps
        if step.action == "RUN" and step.step not in ran and not _is_recorded(planned, step, reader)
    ]


def _is_recorded(planned: SpecPlan, step: PlannedStep, reader: RegistryReader) -> bool:
    if step.step == "deploy":
        return any(entry.name == planned.name and entry.version == planned.version for entry in reader.deployed())
    # Answers are shared by the predict steps.
    steps = PREDICT_STEPS if step.step in PREDICT_STEPS else (step.step,)
    return step.key is None or any(reader.record(name, step.key) is not None for name in steps)
