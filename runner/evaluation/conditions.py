"""What a gate asks, in words, and whether it could ever be judged. Light, so that `plan` may ask of every spec."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.errors import GituneError
from runner.evaluation.catalog import FORMAT_COMPLIANCE, Metric, metric_of, validate_metrics
from runner.evaluation.fit import FIT_METRICS
from runner.evaluation.paired import described
from runner.evaluation.words import amount, number
from runner.spec.evaluation import CustomMetric, Gate, Margin

MIN_SLICE_ROWS = 20
"""Rows that a value of a slice needs to be judged, where the gate does not say."""


def validate_gates(
    gates: Sequence[Gate],
    metrics: Sequence[str],
    *,
    has_contract: bool,
    custom: Sequence[CustomMetric] = (),
    slices: Sequence[str] = (),
) -> None:
    """Refuse gates that could never be judged.

    Args:
        gates: conditions of the spec.
        metrics: `evaluation.metrics`.
        has_contract: whether there is an output format.
        custom: metrics of the spec's own.
        slices: `evaluation.slices`.

    Raises:
        GituneError: naming every gate whose metric is unknown or not computed, or what else no model can miss or
            reach.
    """
    validate_metrics((gate.metric for gate in gates), custom)
    known = {*metrics, *([FORMAT_COMPLIANCE] if has_contract else [])}
    absent = sorted({gate.metric for gate in gates} - known)
    if absent:
        raise GituneError(f"gates use {', '.join(absent)}, which is not measured", hint="add it to evaluation.metrics")
    for gate in gates:
        for message, hint in _faults(gate, metric_of(gate.metric, custom), slices):
            raise GituneError(f"{title(gate)}: {message}", hint=hint)


def _faults(gate: Gate, metric: Metric, slices: Sequence[str]) -> Iterator[tuple[str, str]]:
    threshold = gate.at_most if gate.at_least is None else gate.at_least
    if threshold is not None and metric.kind != "measure" and metric.is_share and not 0 <= threshold <= 1:
        yield f"{gate.metric} lies between 0 and 1", f"95 % is written 0.95, not {threshold:g}"
    margin = gate.by or gate.margin
    if margin is not None and not (metric.is_share and metric.kind != "measure") and margin.relative is None:
        yield f"{gate.metric} does not lie between 0 and 1", "write `relative`, a share of the other model's value"
    if margin is not None and margin.error_reduction and metric.better == "lower":
        yield f"less {gate.metric} is better, so it has no errors to reduce", "write `relative`"
    if gate.rival and gate.metric in FIT_METRICS:
        yield f"{gate.metric} is of the tuned model's training, and no other model is measured by it", "write `at_most`"
    if metric.kind == "measure" and gate.proof:
        yield f"{gate.metric} is measured once and has no interval, so nothing can be proven", "leave `proof` out"
    if gate.slice is not None and metric.kind == "measure":
        yield f"{gate.metric} is of the model and not of rows, so it has no slices", "leave `slice` out"
    if gate.slice is not None and gate.slice not in slices:
        known = f"slices are {', '.join(slices)}" if slices else "name the field under evaluation.slices"
        yield f"{gate.slice!r} is none of evaluation.slices", known


def title(gate: Gate) -> str:
    """Say a gate: `exact_match beats base by 10 points`."""
    where = f" in each {gate.slice}" if gate.slice else ""
    return f"{_asked(gate)}{where}{', proven' if gate.proof else ''}"


def _asked(gate: Gate) -> str:
    if gate.beats:
        return f"{gate.metric} beats {gate.beats}{_margin_words(gate)}"
    if gate.not_worse_than:
        return f"{gate.metric} not worse than {gate.not_worse_than}{_slack_words(gate.margin)}"
    sense, threshold = ("at most", gate.at_most) if gate.at_least is None else ("at least", gate.at_least)
    return f"{gate.metric} {sense} {_value_words(gate.metric, threshold or 0.0)}"


def _value_words(name: str, value: float) -> str:
    return amount(value, described(name).unit)


def _slack_words(margin: Margin | None) -> str:
    if margin is None:
        return ""
    return f" by more than {margin.relative or f'{number(margin.points or 0)} points'}"


def _margin_words(gate: Gate) -> str:
    if gate.by is None:
        return ""
    if gate.by.points is not None:
        return f" by {number(gate.by.points)} points"
    return f" by {gate.by.relative} relative" if gate.by.relative else f" with {gate.by.error_reduction} fewer errors"
