"""What a gate asks for as a difference, and how likely a relative one was reached.

A relative margin depends on the rival's true value, which is as uncertain as the gain. So beside the difference that it
is at the measured value stands the probability that the true gain is as large, given the rows: for right-or-wrong rows
from a Dirichlet(1, 1, 1, 1) distribution of the four cells (both right, fixed, broken, both wrong), else the share of
resamples. `proof: strict` is decided by it.
"""

from __future__ import annotations

from dataclasses import dataclass

from runner.errors import GituneError
from runner.evaluation.compare import EPSILON, is_binary
from runner.evaluation.conditions import title
from runner.evaluation.paired import Shared, corpus_values, described, is_bounded, lowest, row_values
from runner.evaluation.scores import SubjectScores
from runner.evaluation.words import amount, change
from runner.spec.evaluation import Gate, Margin

_POSTERIOR_DRAWS = 100_000


@dataclass(frozen=True, slots=True)
class Asked:
    """A margin as a difference."""

    margin: float
    """How much better the tuned model must be; negative where some loss is tolerated."""
    method: str = ""
    """How it was converted."""
    slope: float | None = None
    """For a relative margin: what the rival's true value is multiplied with,"""
    shift: float = 0.0
    """and what is added, to get the tuned model's value that meets it."""


def asked_of(gate: Gate, rival_value: float) -> Asked:
    """Return what a gate asks for when its rival has a value.

    Raises:
        GituneError: when no model can pass, or a relative gain asks for nothing.
    """
    found, unit = converted(gate, rival_value), described(gate.metric).unit
    if not gate.beats or gate.by is None:
        return found
    if gate.by.points is None and found.margin <= EPSILON:
        told = gate.by.relative or f"{gate.by.error_reduction} of the errors"
        raise GituneError(
            f"{title(gate)}: {told} of {gate.rival}'s {amount(rival_value, unit)} is nothing to beat it by",
            hint="use `points`, which do not depend on the other model's value",
        )
    needed = rival_value + (-1 if lowest(gate.metric) else 1) * found.margin
    if needed < -EPSILON or (is_bounded(gate.metric) and needed > 1 + EPSILON):
        raise GituneError(
            f"{title(gate)}: {gate.rival} has {amount(rival_value, unit)}, so this asks for {amount(needed, unit)}",
            hint="no model can pass this gate: ask for `error_reduction`, or for fewer points",
        )
    return found


def converted(gate: Gate, rival_value: float) -> Asked:
    """Return what a gate asks for, whether or not a model can reach it: of a slice, that is for the slice to show."""
    margin = gate.by or gate.margin
    if margin is None:
        return Asked(0.0)
    found = Asked(margin.points / 100) if margin.points is not None else _relative(gate, margin, rival_value)
    return found if gate.beats else Asked(-found.margin, found.method, found.slope, found.shift)


def _relative(gate: Gate, margin: Margin, rival_value: float) -> Asked:
    unit, sign = described(gate.metric).unit, -1 if lowest(gate.metric) else 1
    if margin.relative:
        share = fraction(margin.relative)
        size, told = share * rival_value, margin.relative
        slope, shift = (1 + share * sign, 0.0) if gate.beats else (1 - share * sign, 0.0)
    else:
        asked = margin.error_reduction or ""
        share = fraction(asked)
        size, told, slope, shift = share * (1 - rival_value), f"{asked} of the errors", 1 - share, share
    words = f"; {told} at {gate.rival}'s measured {amount(rival_value, unit)} is {change(size, unit)}"
    return Asked(size, words, slope, shift)


def fraction(text: str) -> float:
    """Return the share that a percentage such as `12.5 %` is."""
    return float(text.rstrip("% ")) / 100


def chance_of(
    metric: str, tuned: SubjectScores, rival: SubjectScores, rows: Shared, asked: Asked, draws: int | None = None
) -> float:
    """Return the probability that the tuned model's true value meets a relative margin, given the rows.

    Args:
        metric: what is compared.
        tuned: scores of the tuned model.
        rival: scores of the other.
        rows: rows that count for both.
        asked: the margin.
        draws: number of resamples, or a tenth of the draws from the posterior; by default as many as the rows allow.
    """
    import numpy as np

    from runner.evaluation.resampling import SEED, drawn, draws_for

    slope = asked.slope if asked.slope is not None else 1.0
    sign = -1.0 if lowest(metric) else 1.0
    if metric in tuned.rows:
        ours, theirs = (row_values(metric, "", scores, rows) for scores in (tuned, rival))
        if rows.clusters is None and is_binary(ours) and is_binary(theirs):
            times = _POSTERIOR_DRAWS if draws is None else 10 * draws
            cells = [sum((a, b) == cell for a, b in zip(ours, theirs, strict=True)) for cell in _CELLS]
            both, fixed, broken, _ = np.random.default_rng(SEED).dirichlet(np.add(cells, 1), times).T
            return float((both + fixed >= slope * (both + broken) + asked.shift).mean())
    total = len(tuned.rows.get(metric) or tuned.counts.get(metric) or tuned.labels)
    owners = np.arange(len(rows.kept)) if rows.clusters is None else np.asarray(rows.clusters)
    met = 0
    for counts in drawn(rows.units, draws := draws or draws_for(len(rows.kept))):
        weights = counts[:, owners]
        if metric in tuned.rows:
            a, b = ((weights @ np.asarray(values)) / weights.sum(axis=1) for values in (ours, theirs))
        else:
            spread = np.zeros((len(weights), total))
            spread[:, list(rows.kept)] = weights
            a, b = corpus_values(metric, tuned, spread), corpus_values(metric, rival, spread)
        met += int((sign * (a - slope * b - asked.shift) >= 0).sum())
    return met / draws


_CELLS = ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0))
