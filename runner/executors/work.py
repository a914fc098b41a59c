"""A piece of work that can be done in this process or handed to another one: a step with all it may read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from runner.progress import Report
from runner.registry.facts import Step
from runner.steps.context import StepContext, StepResult

Result_co = TypeVar("Result_co", covariant=True)


class Work(Protocol[Result_co]):
    """What a child process can be asked to do. It is pickled, and so is what it returns."""

    @property
    def step(self) -> Step:
        """The step that is told as the one that broke down."""

    @property
    def crashes(self) -> Path:
        """Folder for tracebacks."""

    def __call__(self, report: Report) -> Result_co:
        """Do it."""


@dataclass(frozen=True, slots=True)
class StepWork:
    """A step as it was decided. Whoever runs it adds who is told of its progress: that does not travel."""

    step: Step
    context: StepContext

    @property
    def crashes(self) -> Path:
        """Folder for tracebacks."""
        return self.context.cache / "crashes"

    def __call__(self, report: Report) -> StepResult:
        """Run the step."""
        context = replace(self.context, report=report, registry=self.context.registry.at_work(report))
        # Imported by case: a child process pays for the imports of its own step only.
        match self.step:
            case "prepare":
                from runner.steps import prepare

                return prepare.run(context)
            case "train":
                from runner.steps import train

                return train.run(context)
            case "predict_base" | "predict_tuned" | "predict_champion":
                from runner.steps import predict

                return predict.run(context, self.step)
            case "score":
                from runner.steps import score

                return score.run(context)
            case "gate":
                from runner.steps import gate

                return gate.run(context)
            case "deploy":
                raise AssertionError("a deployment moves an alias; what it asks of a process is a LoadCheck")
