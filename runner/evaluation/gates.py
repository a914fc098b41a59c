"""(gates of the spec, scores) -> verdicts, at one-sided 95 % confidence.

`beats X by m`: PASS when the measured gain is at least m and a gain of 0 or less is ruled out; FAIL when a gain of m
is ruled out; else INCONCLUSIVE. `not_worse_than X, margin m`: PASS when a loss of m or more is ruled out; FAIL when
any smaller loss is ruled out; else INCONCLUSIVE. `at_least` and `at_most` are decided on the measured value, with the
bound told beside it. With `proof: strict` the bound decides all of them. Where test rows have near neighbours in the
training split, a gate is judged with and without them, and the lower result counts, provided that enough rows are left
to be judged. Whatever cannot be judged is an error, never a pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from runner.errors import GituneError
from runner.evaluation.compare import EPSILON, LEVEL, Gain, compare
from runner.evaluation.conditions import MIN_SLICE_ROWS, title
from runner.evaluation.intervals import Interval, bounds_of
from runner.evaluation.margins import Asked, asked_of, chance_of
from runner.evaluation.paired import checked, described, lowest, scores_of, shared_rows, value_of, value_on
from runner.evaluation.reasons import SURE, beats_words, not_worse_words, threshold_words
from runner.evaluation.scores import Scores, SubjectScores
from runner.evaluation.verdicts import Outcome, SliceVerdict, Verdict
from runner.spec.evaluation import Gate

__all__ = ["Outcome", "SliceVerdict", "Verdict", "judge", "overall"]

_SEVERITY: Mapping[Outcome, int] = {"PASS": 0, "INCONCLUSIVE": 1, "FAIL": 2}


def judge(
    gates: Sequence[Gate],
    scores: Scores | Mapping[str, SubjectScores],
    champion: str | None,
    *,
    draws: int | None = None,
) -> list[Verdict]:
    """Decide every gate.

    Args:
        gates: conditions of the spec.
        scores: scores of all models; or those by subject alone (`tuned`, and every rival by the name the gates use),
            where every row stands alone.
        champion: the champion's version; None when there is none yet, so that its gates pass.
        draws: number of resamples where there are any; by default as many as the rows allow.

    Raises:
        GituneError: when a rival, metric or row is missing, a value is no number, two models were not scored on the
            same rows, or a gate cannot be reached.
    """
    known = checked(scores if isinstance(scores, Scores) else Scores.model_construct(subjects=dict(scores)))
    return [_judge(gate, known, champion, draws) for gate in gates]


def overall(verdicts: Sequence[Verdict]) -> Outcome:
    """Return FAIL if any gate failed, else INCONCLUSIVE if any is, else PASS.

    Raises:
        GituneError: when there is no verdict at all.
    """
    if not verdicts:
        raise GituneError("no gate was judged: nothing shows that the model is better")
    return max((verdict.outcome for verdict in verdicts), key=_SEVERITY.__getitem__)


def rival_of(gate: Gate, champion: str | None) -> str | None:
    """Return the name under which a gate's rival was scored: the champion may also be asked for by its number."""
    return "champion" if champion is not None and gate.rival == f"version:{champion}" else gate.rival


def _judge(gate: Gate, scores: Scores, champion: str | None, draws: int | None) -> Verdict:
    tuned = scores_of("tuned", scores.subjects)
    if gate.rival == "champion" and champion is None:
        value = value_of(gate.metric, "tuned", tuned)
        return _verdict(gate, "PASS", value, tuned.n, "none", "no champion yet: nothing to compare with")
    found = _once(gate, scores, champion, None, draws)
    near = sum(scores.near)
    if not near or described(gate.metric).kind == "measure":
        return found
    told = f"the {near} of {len(scores.near)} test rows that have a near neighbour in the training split"
    apart = [place for place, is_near in enumerate(scores.near) if not is_near]
    left = _counting(gate, scores, champion, apart)
    if left < MIN_SLICE_ROWS:
        few = f"Without {told}, {left} are left: too few to be judged by themselves."
        return found.model_copy(update={"reason": f"{found.reason} {few}"})
    other = _once(gate, scores, champion, apart, draws)
    if not _is_lower(gate, other, found):
        return found.model_copy(update={"reason": f"{found.reason} It is no lower without {told}."})
    reason = f"{other.reason} This is without {told}; with them it is {found.outcome}."
    return other.model_copy(update={"reason": reason, "without_near": near})


def _counting(gate: Gate, scores: Scores, champion: str | None, among: Sequence[int]) -> int:
    """Count the rows that every model of a gate answered and that were graded."""
    names = ["tuned", *filter(None, [rival_of(gate, champion)])]
    subjects = {name: scores_of(name, scores.subjects) for name in names}
    kept = shared_rows(gate.metric, subjects, scores.groups).kept
    return len({*kept} & {*among})


def _worse(one: Outcome, other: Outcome) -> Outcome:
    return max(one, other, key=_SEVERITY.__getitem__)


def _is_lower(gate: Gate, other: Verdict, found: Verdict) -> bool:
    if other.outcome != found.outcome:
        return _worse(other.outcome, found.outcome) == other.outcome
    ours, theirs = (verdict.value if verdict.difference is None else verdict.difference for verdict in (other, found))
    down = lowest(gate.metric) if gate.rival else gate.at_most is not None
    return ours > theirs + EPSILON if down else ours < theirs - EPSILON


def _once(gate: Gate, scores: Scores, champion: str | None, among: Sequence[int] | None, draws: int | None) -> Verdict:
    """Judge a gate on all rows, or some."""
    if gate.slice is not None:
        from runner.evaluation.slices import judge_slices

        whole = _whole(gate.model_copy(update={"slice": None, "min_rows": None}), scores, champion, among, draws)
        return judge_slices(gate, whole, scores, rival_of(gate, champion), among, draws)
    return _whole(gate, scores, champion, among, draws)


def _whole(gate: Gate, scores: Scores, champion: str | None, among: Sequence[int] | None, draws: int | None) -> Verdict:
    tuned = scores_of("tuned", scores.subjects)
    name = rival_of(gate, champion)
    if name is None or gate.rival is None:
        return _judge_threshold(gate, tuned, scores.groups, among)
    rival = scores_of(name, scores.subjects)
    rows = shared_rows(gate.metric, {"tuned": tuned, gate.rival: rival}, scores.groups, among)
    value = value_on(gate.metric, "tuned", tuned, rows)
    rival_value = value_on(gate.metric, gate.rival, rival, rows)
    asked = asked_of(gate, rival_value)
    gain = compare(gate.metric, tuned, gate.rival, rival, groups=scores.groups, among=among, draws=draws)
    better = gain.improvement(gate.metric)
    relative = asked.slope is not None and not gain.measured
    chance = chance_of(gate.metric, tuned, rival, rows, asked, draws) if relative else None
    outcome = _beats(gate, better, asked, chance) if gate.beats else _not_worse(better, -asked.margin)
    if gate.beats:
        reason = beats_words(outcome, gate, better, asked.margin, chance)
    else:
        reason = not_worse_words(outcome, gate, better, -asked.margin)
    return _verdict(gate, outcome, value, len(rows.kept), gain.method + asked.method, reason).model_copy(
        update={
            "rival": gate.rival,
            "rival_value": rival_value,
            "difference": gain.difference,
            "low": None if gain.measured else gain.low,
            "high": None if gain.measured else gain.high,
            "threshold": -asked.margin + 0.0 if lowest(gate.metric) else asked.margin,
            "chance": chance,
            "left_out": gain.left_out,
        }
    )


def _beats(gate: Gate, gain: Gain, asked: Asked, chance: float | None) -> Outcome:
    proven = True
    if gate.proof:
        proven = chance >= SURE if chance is not None else gain.low >= asked.margin - EPSILON
    if proven and gain.difference >= asked.margin - EPSILON and gain.low > EPSILON:
        return "PASS"
    return "FAIL" if gain.high < asked.margin - EPSILON else "INCONCLUSIVE"


def _not_worse(gain: Gain, margin: float) -> Outcome:
    if gain.low > -margin + EPSILON or (gain.measured and gain.difference >= -margin - EPSILON):
        return "PASS"
    return "FAIL" if gain.high < -margin - EPSILON else "INCONCLUSIVE"


def _judge_threshold(
    gate: Gate, tuned: SubjectScores, groups: Sequence[str] | None, among: Sequence[int] | None
) -> Verdict:
    rows = shared_rows(gate.metric, {"tuned": tuned}, groups, among)
    value = value_on(gate.metric, "tuned", tuned, rows)
    found = bounds_of(gate.metric, "tuned", tuned, rows, LEVEL)
    outcome = _threshold(gate, value, found)
    n, method = len(rows.kept), "measured value" + (f"; {found[2]}" if found else "")
    low, high, _ = found or (None, None, "")
    told = threshold_words(outcome, gate, value, found, n)
    return _verdict(gate, outcome, value, n, method, told).model_copy(
        update={
            "low": low,
            "high": high,
            "left_out": rows.left_out,
            "threshold": gate.at_most if gate.at_least is None else gate.at_least,
        }
    )


def _threshold(gate: Gate, value: float, found: Interval | None) -> Outcome:
    # Turned round where less is asked for, so that more is better.
    sign, line = (1, gate.at_least) if gate.at_least is not None else (-1, -(gate.at_most or 0.0))
    low, high = (value, value) if found is None else (found[0], found[1])
    worst, best = (low, high) if sign > 0 else (-high, -low)
    if gate.proof is None:
        return "PASS" if sign * value >= line - EPSILON else "FAIL"
    if found is not None and worst >= line - EPSILON:
        return "PASS"
    return "FAIL" if best < line - EPSILON else "INCONCLUSIVE"


def _verdict(gate: Gate, outcome: Outcome, value: float, n: int, method: str, reason: str) -> Verdict:
    return Verdict(
        gate=title(gate),
        metric=gate.metric,
        outcome=outcome,
        value=value,
        n=n,
        method=method,
        reason=reason,
        unit=described(gate.metric).unit,
        rival=gate.rival,
    )
