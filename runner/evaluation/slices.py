"""A gate with a `slice` -> one verdict for all values of the field, so that an average hides no loss.

A value with enough rows FAILs when it is shown to miss what the gate asks, by the method of Holm (1979): of m values
the worst must be shown at 5 % / m, the next at 5 % / (m - 1), and so on. Without that, ten small slices of two
identical models would fail 8 % of the time, and 92 % on the measured values alone. A value that misses without being
shown to is INCONCLUSIVE; any other passes, with `proof: strict` only when its own bound meets what is asked. That no
value is measured below a gain shows none yet: a gate that asks for one must pass on all rows too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from runner.errors import GituneError
from runner.evaluation.compare import EPSILON, LEVEL, compare
from runner.evaluation.conditions import MIN_SLICE_ROWS, title
from runner.evaluation.intervals import bounds_of
from runner.evaluation.margins import converted
from runner.evaluation.paired import described, lowest, shared_rows, value_on
from runner.evaluation.scores import Scores, SubjectScores
from runner.evaluation.statistics import holm
from runner.evaluation.verdicts import Outcome, SliceVerdict, Verdict
from runner.evaluation.words import amount, change
from runner.spec.evaluation import Gate

_BY_WORTH: Sequence[Outcome] = ("PASS", "INCONCLUSIVE", "FAIL")

_TOLD = 5
"""Values that a reason names."""


@dataclass(frozen=True, slots=True)
class _Slice:
    """One value's rows, and what the gate asks of them; turned such that more is better."""

    gate: Gate
    found: SliceVerdict
    point: float
    line: float
    places: tuple[int, ...]


def judge_slices(
    gate: Gate, whole: Verdict, scores: Scores, rival: str | None, among: Sequence[int] | None, draws: int | None
) -> Verdict:
    """Judge each value of a gate's slice.

    Args:
        gate: the gate.
        whole: what it decided on all rows, whose numbers the verdict keeps.
        scores: scores of all models.
        rival: name under which the rival was scored.
        among: places of the rows that are asked about; None: all.
        draws: number of resamples where there are any.

    Raises:
        GituneError: when the scores do not know the field.
    """
    field, least = gate.slice or "", gate.min_rows or MIN_SLICE_ROWS
    if field not in scores.slices:
        known = ", ".join(scores.slices) or "none"
        raise GituneError(f"{title(gate)}: the scores have no slice {field!r}", hint=f"slices of the scores: {known}")
    of_row = scores.slices[field]
    asked = range(len(of_row)) if among is None else among
    sizes = Counter(value for place in asked if (value := of_row[place]) is not None)
    judged: list[_Slice] = []
    small: list[SliceVerdict] = []
    for value, size in sizes.most_common():
        places = tuple(place for place in asked if of_row[place] == value)
        found = _measured(gate, value, places, scores, rival, draws) if size >= least else None
        if found is None or found.found.n < least:
            small.append(SliceVerdict(slice=value, outcome=None, n=size if found is None else found.found.n))
        else:
            judged.append(found)
    failed = holm(judged, lambda one, error: _misses(one, error, scores, rival, draws))
    verdicts = [
        one.found.model_copy(update={"outcome": _outcome(one, is_failed=fails)})
        for one, fails in zip(judged, failed, strict=True)
    ]
    outcome, reason = _overall(verdicts), _reason(gate, verdicts, small, least)
    if gate.beats and _BY_WORTH.index(whole.outcome) > _BY_WORTH.index(outcome):
        outcome, reason = whole.outcome, f"{reason} On all rows: {whole.reason}"
    method = f"{whole.method}; each {field} with {least} rows or more, Holm at one-sided 95 %"
    update = {
        "gate": title(gate),
        "outcome": outcome,
        "method": method,
        "reason": reason,
        "slices": [*verdicts, *small],
    }
    return whole.model_copy(update=update)


def _measured(
    gate: Gate, value: str, places: tuple[int, ...], scores: Scores, rival: str | None, draws: int | None
) -> _Slice | None:
    """Measure one slice; None when no row of it counts for both models, or all are of one group."""
    subjects = {name: scores.subjects[name] for name in ("tuned", rival) if name is not None}
    try:
        rows = shared_rows(gate.metric, subjects, scores.groups, places)
    except GituneError:
        return None
    if rows.units == 1:
        return None
    ours, *others = (value_on(gate.metric, name, found, rows) for name, found in subjects.items())
    low, high = _bounds(gate, scores, rival, places, LEVEL, draws)
    found = SliceVerdict(slice=value, outcome=None, n=len(rows.kept), value=ours)
    sign = -1 if (lowest(gate.metric) if rival else gate.at_most is not None) else 1
    ends = {"low": min(sign * low, sign * high), "high": max(sign * low, sign * high)}
    if rival is None:
        line = gate.at_least if gate.at_least is not None else -(gate.at_most or 0.0)
        return _Slice(gate, found.model_copy(update=ends), sign * ours, line, places)
    told = {"rival_value": others[0], "difference": ours - others[0], **ends}
    margin = converted(gate, others[0]).margin
    return _Slice(gate, found.model_copy(update=told), sign * (ours - others[0]), margin, places)


def _bounds(
    gate: Gate, scores: Scores, rival: str | None, places: Sequence[int], level: float, draws: int | None
) -> tuple[float, float]:
    """Bound what the gate asks about, turned such that more is better."""
    tuned: SubjectScores = scores.subjects["tuned"]
    if rival is not None:
        gain = compare(
            gate.metric,
            tuned,
            rival,
            scores.subjects[rival],
            groups=scores.groups,
            among=places,
            level=level,
            draws=draws,
        ).improvement(gate.metric)
        return gain.low, gain.high
    rows = shared_rows(gate.metric, {"tuned": tuned}, scores.groups, places)
    found = bounds_of(gate.metric, "tuned", tuned, rows, level)
    low, high = (0.0, 1.0) if found is None else found[:2]
    return (low, high) if gate.at_least is not None else (-high, -low)


def _misses(one: _Slice, error: float, scores: Scores, rival: str | None, draws: int | None) -> bool:
    """Whether a slice is shown to miss what is asked, with some chance of error."""
    line = one.line - EPSILON
    return one.point < line and _bounds(one.gate, scores, rival, one.places, 1 - 2 * error, draws)[1] < line


def _outcome(one: _Slice, *, is_failed: bool) -> Outcome:
    if is_failed:
        return "FAIL"
    if one.point < one.line - EPSILON:
        return "INCONCLUSIVE"
    if one.gate.proof is None or one.found.low is None or one.found.high is None:
        return "PASS"
    is_turned = lowest(one.gate.metric) if one.gate.rival else one.gate.at_most is not None
    worst = -one.found.high if is_turned else one.found.low
    return "PASS" if worst >= one.line - EPSILON else "INCONCLUSIVE"


def _overall(verdicts: Sequence[SliceVerdict]) -> Outcome:
    outcomes = {verdict.outcome for verdict in verdicts}
    if "FAIL" in outcomes:
        return "FAIL"
    # Where nothing is large enough to be judged, nothing was shown.
    return "INCONCLUSIVE" if "INCONCLUSIVE" in outcomes or not verdicts else "PASS"


def _reason(gate: Gate, judged: Sequence[SliceVerdict], small: Sequence[SliceVerdict], least: int) -> str:
    parts = []
    said = {"FAIL": "shown to miss it", "INCONCLUSIVE": "below it or not proven, but it may be chance"}
    for outcome, what in said.items():
        hit = [_told(gate, one) for one in judged if one.outcome == outcome]
        if hit:
            parts.append(f"{what}: {_listed(hit)}")
    if not judged:
        parts.append(f"no {gate.slice} has {least} rows: more test rows are needed")
    elif not parts:
        parts.append(f"none of {len(judged)} is below it" if not gate.proof else f"all {len(judged)} prove it")
    if small:
        parts.append(f"fewer than {least} rows, not judged: {_listed([f'{one.slice} ({one.n})' for one in small])}")
    return "; ".join(parts) + "."


def _told(gate: Gate, one: SliceVerdict) -> str:
    unit = described(gate.metric).unit
    measured = amount(one.value or 0.0, unit) if one.difference is None else change(one.difference, unit)
    return f"{one.slice} {measured} (n = {one.n})"


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _TOLD} more" if len(texts) > _TOLD else ""
    return ", ".join(texts[:_TOLD]) + more
