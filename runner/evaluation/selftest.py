"""Are the gates of a spec calibrated on its own test rows? (gates, stored scores) -> how often they pass what they may.

A/A: two models that are equally good. Rows are drawn again with their answers, and in each a coin decides which of base
and tuned is called tuned; a gate that asks for a gain should pass that in 5 % of the tries at most. Planted: some rows
that base has wrong are made right, as many as a true gain needs, and some that it has right are broken. No model runs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from runner.errors import GituneError
from runner.evaluation.compare import is_binary
from runner.evaluation.conditions import title
from runner.evaluation.gates import judge
from runner.evaluation.margins import asked_of
from runner.evaluation.paired import described, is_bounded
from runner.evaluation.power import BROKEN
from runner.evaluation.scores import Scores, SubjectScores
from runner.spec.evaluation import Gate

SEED = 20240229
"""Seed of every try."""

TRIES, PLANTED_TRIES = 1_000, 200
"""Tries of A/A, and of each planted gain."""

DRAWS = 500
"""Resamples of a gate that needs them, in each try."""

ALLOWED = 0.05
"""Share of A/A tries that may pass."""

POWER = 0.8
"""Share of tries in which the most favourable planted gain must pass."""

STEPS = (0, 5, 10, 20)
"""Planted gains, in points above what the gate asks for."""


@dataclass(frozen=True, slots=True)
class Planted:
    """How a gate judges a model with a known gain."""

    gain: float
    """True gain, as a difference."""
    passed: float
    """Share of tries that passed."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found of one gate."""

    gate: str
    """The condition in words."""
    identical: str
    """Verdict on base against base itself, row by row the same."""
    tries: int
    """Tries of A/A."""
    false_passes: float
    """Share of them that passed."""
    allowed: float
    """Most that may pass: 5 %, and what chance adds to so many tries."""
    planted: tuple[Planted, ...]
    """Power: smallest planted gain first; empty where a gain cannot be planted in stored scores."""

    @property
    def is_strict_enough(self) -> bool:
        """Whether it passes equal models no more often than allowed, and never a model against itself."""
        return self.false_passes <= self.allowed and self.identical != "PASS"

    @property
    def can_see(self) -> bool:
        """Whether some planted gain passes nearly always, where any can be planted."""
        return not self.planted or max(one.passed for one in self.planted) >= POWER

    @property
    def ok(self) -> bool:
        """Whether equal models do not pass and a planted gain does."""
        return self.is_strict_enough and self.can_see


def selftest(gates: Sequence[Gate], scores: Scores, tries: int = TRIES) -> list[Calibration]:
    """Try every gate that asks for a gain.

    Args:
        gates: gates of the spec.
        scores: stored scores, of base and tuned at least.
        tries: tries of A/A.

    Raises:
        GituneError: when no gate asks for a gain that is measured row by row or over rows.
    """
    tried = [gate for gate in gates if gate.beats and described(gate.metric).kind != "measure"]
    if not tried:
        raise GituneError(
            "no gate asks for a gain over rows: an equal model passes, and there is nothing to try",
            hint="`beats: base`, or better `beats: champion`, asks for one",
        )
    return [_calibrate(gate, scores, tries) for gate in tried]


def _calibrate(gate: Gate, scores: Scores, tries: int) -> Calibration:
    # The champion is no better known than the base: what matters is that two models are equally good.
    asked = gate.model_copy(update={"beats": "base"})
    base = scores.subjects["base"]
    chance = math.sqrt(ALLOWED * (1 - ALLOWED) / tries)
    random = Random(SEED)  # noqa: S311 - no secret
    passed = sum(_passes(asked, _equals(scores, random)) for _ in range(tries))
    return Calibration(
        gate=title(gate),
        identical=judge([asked], _pair(scores, base, base), None, draws=DRAWS)[0].outcome,
        tries=tries,
        false_passes=passed / tries,
        allowed=ALLOWED + 2 * chance,
        planted=tuple(_power(asked, scores)),
    )


def _passes(gate: Gate, scores: Scores) -> bool:
    """Whether a gate passes; one that these rows put out of reach does not."""
    try:
        return judge([gate], scores, None, draws=DRAWS)[0].outcome == "PASS"
    except GituneError:
        return False


def _pair(
    scores: Scores,
    tuned: SubjectScores,
    base: SubjectScores,
    places: Sequence[int] | None = None,
    groups: Sequence[str] | None = None,
) -> Scores:
    # Not validated: a thousand tries of what was valid.
    kept = scores.groups if groups is None else list(groups)
    slices = scores.slices
    if places is not None:
        slices = {field: [values[place] for place in places] for field, values in slices.items()}
    return Scores.model_construct(rows=[], groups=kept, slices=slices, near=[], subjects={"tuned": tuned, "base": base})


def _drawn(scores: Scores, random: Random) -> tuple[list[int], list[str] | None, list[bool]]:
    """Draw rows, or whole groups, again: their places, their groups, and for each whether the models are swapped."""
    n = max(len(scores.subjects["base"].labels), *map(len, scores.subjects["base"].rows.values()), 0)
    if scores.groups is None:
        return random.choices(range(n), k=n), None, [random.random() < 1 / 2 for _ in range(n)]
    members: dict[str, list[int]] = {}
    for place, group in enumerate(scores.groups):
        members.setdefault(group, []).append(place)
    places: list[int] = []
    groups: list[str] = []
    swapped: list[bool] = []
    for number, group in enumerate(random.choices(list(members), k=len(members))):
        is_swapped = random.random() < 1 / 2
        for place in members[group]:
            places.append(place)
            groups.append(str(number))
            swapped.append(is_swapped)
    return places, groups, swapped


def _equals(scores: Scores, random: Random) -> Scores:
    """Return two models that are equally good: each row's answers of base and tuned, dealt by a coin."""
    places, groups, swapped = _drawn(scores, random)
    base, tuned = scores.subjects["base"], scores.subjects["tuned"]
    one = _dealt(places, [tuned if swap else base for swap in swapped])
    other = _dealt(places, [base if swap else tuned for swap in swapped])
    return _pair(scores, one, other, places, groups)


def _dealt(places: Sequence[int], owners: Sequence[SubjectScores]) -> SubjectScores:
    """Return the scores of one model made of others' answers."""
    pairs = [*zip(places, owners, strict=True)]
    first = owners[0]
    rows = {name: [owner.rows[name][place] for place, owner in pairs] for name in first.rows}
    labels = [owner.labels[place] for place, owner in pairs] if first.labels else []
    counts = {name: [owner.counts[name][place] for place, owner in pairs] for name in first.counts}
    unanswered = [number for number, (place, owner) in enumerate(pairs) if place in owner.unanswered]
    made = SubjectScores.model_construct(
        n=len(pairs) - len(unanswered), values={}, rows=rows, labels=labels, counts=counts, unanswered=unanswered
    )
    return made.model_copy(update={"values": _values(made, first)})


def _values(made: SubjectScores, like: SubjectScores) -> dict[str, float]:
    """Measure again what rows decide."""
    values = {}
    for metric in like.values:
        if metric in made.rows:
            found = [value for value in made.rows[metric] if value is not None]
            values[metric] = sum(found) / len(found) if found else 0.0
        elif described(metric).kind == "corpus":
            import numpy as np

            from runner.evaluation.paired import corpus_values

            total = len(made.labels) or len(made.counts[metric])
            values[metric] = float(corpus_values(metric, made, np.ones((1, total)))[0])
    return values


def _power(gate: Gate, scores: Scores) -> list[Planted]:
    """Plant gains of growing size, as far as base leaves room."""
    base = scores.subjects["base"]
    values = base.rows.get(gate.metric, [])
    answered = [value for value in values if value is not None]
    if not answered or not is_binary(answered) or not is_bounded(gate.metric):
        return []
    value = sum(answered) / len(answered)
    asked = asked_of(gate, value).margin
    gains = dict.fromkeys([0.0, *(asked + step / 100 for step in STEPS)])
    found = []
    for gain in gains:
        lost = min(BROKEN, value)
        if gain + lost > 1 - value:
            continue
        random = Random(SEED)  # noqa: S311 - no secret
        fix, spoil = (gain + lost) / (1 - value), lost / value if value else 0.0
        passed = sum(_passes(gate, _improved(gate.metric, scores, fix, spoil, random)) for _ in range(PLANTED_TRIES))
        found.append(Planted(gain, passed / PLANTED_TRIES))
    return found


def _improved(metric: str, scores: Scores, fix: float, spoil: float, random: Random) -> Scores:
    """Return drawn rows of base, against the same with wrong rows fixed and right ones broken by chance."""
    places, groups, _ = _drawn(scores, random)
    base = _dealt(places, [scores.subjects["base"]] * len(places))
    values = [
        value if value is None else float(random.random() < fix) if value == 0 else float(random.random() >= spoil)
        for value in base.rows[metric]
    ]
    found = [value for value in values if value is not None]
    update = {"rows": {**base.rows, metric: values}, "values": {**base.values, metric: sum(found) / len(found)}}
    return _pair(scores, base.model_copy(update=update), base, places, groups)
