"""What a gate asks, in words, and whether it could ever be judged. Light, so that `plan` may ask of every spec."""

from __future__ import annotations

from collections.abc import Sequence

from runner.errors import GituneError
from runner.evaluation.catalog import FORMAT_COMPLIANCE, validate_metrics
from runner.evaluation.words import number, percent
from runner.spec.models import CustomMetric, Gate


def validate_gates(
    gates: Sequence[Gate], metrics: Sequence[str], *, has_contract: bool, custom: Sequence[CustomMetric] = ()
) -> None:
    """Refuse gates that could never be judged.

    Raises:
        GituneError: naming every gate whose metric is unknown or not computed, or whose threshold no model can miss
            or reach.
    """
    validate_metrics((gate.metric for gate in gates), custom)
    known = {*metrics, *([FORMAT_COMPLIANCE] if has_contract else [])}
    absent = sorted({gate.metric for gate in gates} - known)
    if absent:
        raise GituneError(f"gates use {', '.join(absent)}, which is not measured", hint="add it to evaluation.metrics")
    for gate in gates:
        threshold = gate.at_most if gate.at_least is None else gate.at_least
        if threshold is not None and not 0 <= threshold <= 1:
            raise GituneError(
                f"{title(gate)}: {gate.metric} lies between 0 and 1", hint=f"95 % is written 0.95, not {threshold:g}"
            )


def title(gate: Gate) -> str:
    """Say a gate: `exact_match beats base by 10 points`."""
    if gate.beats:
        return f"{gate.metric} beats {gate.beats}{_margin_words(gate)}"
    if gate.not_worse_than:
        slack = f" by more than {number(gate.margin.points or 0)} points" if gate.margin else ""
        return f"{gate.metric} not worse than {gate.not_worse_than}{slack}"
    if gate.at_least is not None:
        return f"{gate.metric} at least {percent(gate.at_least)}"
    return f"{gate.metric} at most {percent(gate.at_most or 0.0)}"


def _margin_words(gate: Gate) -> str:
    if gate.by is None:
        return ""
    if gate.by.points is not None:
        return f" by {number(gate.by.points)} points"
    return f" by {gate.by.relative} relative" if gate.by.relative else f" with {gate.by.error_reduction} fewer errors"
