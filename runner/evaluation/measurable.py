"""Whether what a spec asks to measure could ever be measured. Light, so that `plan` may ask of every spec."""

from __future__ import annotations

from collections.abc import Callable

from runner.errors import GituneError, Location, Problem, SpecError
from runner.evaluation.catalog import METRICS, validate_metrics
from runner.spec.evaluation import Evaluation


def validate_measurable(evaluation: Evaluation, where: Callable[[str], Location]) -> None:
    """Refuse metrics that could only fail after the training.

    Args:
        evaluation: the spec's section.
        where: key path -> its place, for errors.

    Raises:
        GituneError: when a metric is unknown, takes the name of another one, or needs what the spec does not ask for.
        SpecError: when an expression is none, or a name is taken, with its place.
    """
    seen = set(METRICS)
    for number, own in enumerate(evaluation.custom_metrics):
        if own.name in seen:
            place = where(f"evaluation.custom_metrics.{number}.name")
            message = f"custom metric {own.name!r} has the name of another metric"
            raise SpecError([Problem(message, place, "give it another name")])
        seen.add(own.name)
    validate_metrics(evaluation.metrics, evaluation.custom_metrics)
    if "consistency" in evaluation.metrics and evaluation.generation.samples == 1:
        raise GituneError(
            "consistency compares several answers to a question",
            hint="set evaluation.generation.samples to 2 or more, and a temperature above 0",
        )
    if any(own.regex for own in evaluation.custom_metrics):
        from runner.evaluation.custom import compile_custom

        for number, own in enumerate(evaluation.custom_metrics):
            compile_custom(own, where(f"evaluation.custom_metrics.{number}.regex"))
