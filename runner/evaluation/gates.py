"""(gates of the spec, scores) -> verdicts, at one-sided 95 % confidence.

`beats X by m`: PASS when the measured gain is at least m and a gain of 0 or less is ruled out; FAIL when a gain of m
is ruled out; else INCONCLUSIVE. `not_worse_than X, margin m`: PASS when a loss of m or more is ruled out; FAIL when
any smaller loss is ruled out; else INCONCLUSIVE. `at_least` and `at_most` are decided on the measured value, with the
bound told beside it. Whatever cannot be judged is an error, never a pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from runner.errors import GituneError
from runner.evaluation.compare import EPSILON, LEVEL, Gain, compare, right_rows, scores_of, value_of
from runner.evaluation.conditions import title
from runner.evaluation.reasons import beats_words, not_worse_words, threshold_words
from runner.evaluation.scores import SubjectScores
from runner.evaluation.statistics import clopper_pearson
from runner.evaluation.thresholds import threshold_of
from runner.evaluation.words import percent, points
from runner.registry.facts import Fact
from runner.spec.models import Gate

Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE"]


class Verdict(Fact):
    """What one gate decided, and why."""

    gate: str
    """The condition in words, such as `exact_match beats base by 10 points`."""
    metric: str
    """Metric that was compared."""
    outcome: Outcome
    """What was decided."""
    value: float
    """The tuned model's value."""
    n: int
    """Test rows."""
    method: str
    """How the bounds were computed."""
    reason: str
    """Why, in words, and what would change it."""
    rival: str | None = None
    """Model it was compared with: `base`, `champion`, `version:1.2.0`; None for a plain threshold."""
    rival_value: float | None = None
    """The rival's value."""
    difference: float | None = None
    """The tuned model's value less the rival's."""
    low: float | None = None
    """One-sided 95 % lower bound of the difference; of the value for a plain threshold."""
    high: float | None = None
    """One-sided 95 % upper bound."""
    threshold: float | None = None
    """What the gate asks: of the difference, or of the value for a plain threshold; None in older records."""


def judge(gates: Sequence[Gate], scores: Mapping[str, SubjectScores], champion: str | None) -> list[Verdict]:
    """Decide every gate.

    Args:
        gates: conditions of the spec.
        scores: scores by subject: `tuned`, and every rival by the name the gates use.
        champion: the champion's version; None when there is none yet, so that its gates pass.

    Raises:
        GituneError: when a rival, metric or row is missing, a value is no number, two models were not scored on the
            same rows, or a gate cannot be reached.
    """
    return [_with_threshold(gate, _judge(gate, scores, champion)) for gate in gates]


def _with_threshold(gate: Gate, verdict: Verdict) -> Verdict:
    return verdict.model_copy(update={"threshold": threshold_of(gate, verdict.rival_value)})


def overall(verdicts: Sequence[Verdict]) -> Outcome:
    """Return FAIL if any gate failed, else INCONCLUSIVE if any is, else PASS.

    Raises:
        GituneError: when there is no verdict at all.
    """
    outcomes = {verdict.outcome for verdict in verdicts}
    if not outcomes:
        raise GituneError("no gate was judged: nothing shows that the model is better")
    return "FAIL" if "FAIL" in outcomes else "INCONCLUSIVE" if "INCONCLUSIVE" in outcomes else "PASS"


def _judge(gate: Gate, scores: Mapping[str, SubjectScores], champion: str | None) -> Verdict:
    tuned = scores_of("tuned", scores)
    value = value_of(gate.metric, "tuned", tuned)
    if gate.rival is None:
        return _judge_threshold(gate, tuned, value)
    if gate.rival == "champion" and champion is None:
        return _no_champion(gate, tuned, value)
    # The champion may also be asked for by its number.
    rival = scores_of("champion" if gate.rival == f"version:{champion}" else gate.rival, scores)
    rival_value = value_of(gate.metric, gate.rival, rival)
    margin, margin_method = _margin(gate, rival_value)
    gain = compare(gate.metric, tuned, gate.rival, rival)
    outcome = _beats(gain, margin) if gate.beats else _not_worse(gain, margin)
    words = beats_words if gate.beats else not_worse_words
    return Verdict(
        gate=title(gate),
        metric=gate.metric,
        outcome=outcome,
        value=value,
        rival=gate.rival,
        rival_value=rival_value,
        difference=gain.difference,
        low=gain.low,
        high=gain.high,
        n=tuned.n,
        method=gain.method + margin_method,
        reason=words(outcome, gain, margin),
    )


def _beats(gain: Gain, margin: float) -> Outcome:
    if gain.difference >= margin - EPSILON and gain.low > EPSILON:
        return "PASS"
    return "FAIL" if gain.high < margin - EPSILON else "INCONCLUSIVE"


def _not_worse(gain: Gain, margin: float) -> Outcome:
    if gain.low > -margin + EPSILON:
        return "PASS"
    return "FAIL" if gain.high < -margin - EPSILON else "INCONCLUSIVE"


def _no_champion(gate: Gate, tuned: SubjectScores, value: float) -> Verdict:
    return Verdict(
        gate=title(gate),
        metric=gate.metric,
        outcome="PASS",
        value=value,
        rival=gate.rival,
        n=tuned.n,
        method="none",
        reason="no champion yet: nothing to compare with",
    )


def _judge_threshold(gate: Gate, tuned: SubjectScores, value: float) -> Verdict:
    low = high = None
    method = "measured value"
    if gate.metric in tuned.rows:
        low, high = clopper_pearson(sum(right_rows(gate.metric, "tuned", tuned)), tuned.n, LEVEL)
        method += "; Clopper-Pearson one-sided 95 % bounds"
    if gate.at_least is not None:
        passed, bound = value >= gate.at_least - EPSILON, low
    else:
        passed, bound = value <= (gate.at_most or 0.0) + EPSILON, high
    outcome: Outcome = "PASS" if passed else "FAIL"
    return Verdict(
        gate=title(gate),
        metric=gate.metric,
        outcome=outcome,
        value=value,
        low=low,
        high=high,
        n=tuned.n,
        method=method,
        reason=threshold_words(outcome, gate, value, bound, tuned.n),
    )


def _margin(gate: Gate, rival_value: float) -> tuple[float, str]:
    """Return the margin as a difference of shares, and how it was converted."""
    margin = gate.by or gate.margin
    if margin is None:
        return 0.0, ""
    if margin.points is not None:
        share, method = margin.points / 100, ""
    elif margin.relative:
        share, method = _relative(gate, rival_value, _fraction(margin.relative) * rival_value, margin.relative)
    else:
        asked = margin.error_reduction or ""
        share, method = _relative(gate, rival_value, _fraction(asked) * (1 - rival_value), f"{asked} of the errors")
    if gate.beats and rival_value + share > 1 + EPSILON:
        raise GituneError(
            f"{title(gate)}: {gate.rival} has {percent(rival_value)}, so this asks for {percent(rival_value + share)}",
            hint="no model can pass this gate: ask for `error_reduction`, or for fewer points",
        )
    return share, method


def _relative(gate: Gate, rival_value: float, share: float, asked: str) -> tuple[float, str]:
    if share <= EPSILON:
        raise GituneError(
            f"{title(gate)}: {asked} of {gate.rival}'s {percent(rival_value)} is nothing to beat it by",
            hint="use `points`, which do not depend on the other model's value",
        )
    return share, f"; {asked} at {gate.rival}'s measured {percent(rival_value)} is {points(share)} points"


def _fraction(text: str) -> float:
    return float(text.rstrip("% ")) / 100
