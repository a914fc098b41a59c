"""Whether what a spec asks to measure could ever be measured. Light, so that `plan` may ask of every spec."""

from __future__ import annotations

from collections import Counter

from runner.errors import GituneError, Location
from runner.evaluation.catalog import METRICS, validate_metrics
from runner.spec.models import Evaluation


def validate_measurable(evaluation: Evaluation, where: Location) -> None:
    """Refuse metrics that could only fail after the training.

    Args:
        evaluation: the spec's section.
        where: place of its own metrics, for errors.

    Raises:
        GituneError: when a metric is unknown, takes the name of another one, or needs what the spec does not ask for.
        SpecError: when an expression is none.
    """
    names = Counter(own.name for own in evaluation.custom_metrics)
    taken = [name for name, count in names.items() if count > 1 or name in METRICS]
    if taken:
        raise GituneError(f"custom metric {taken[0]!r} has the name of another metric", hint="give it another name")
    validate_metrics(evaluation.metrics, evaluation.custom_metrics)
    if "consistency" in evaluation.metrics and evaluation.generation.samples == 1:
        raise GituneError(
            "consistency compares several answers to a question",
            hint="set evaluation.generation.samples to 2 or more, and a temperature above 0",
        )
    if any(own.regex for own in evaluation.custom_metrics):
        from runner.evaluation.custom import compile_custom

        for own in evaluation.custom_metrics:
            compile_custom(own, where)
