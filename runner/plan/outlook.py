"""Whether the gates of a spec can be met at all, and what they can see: asked before anything is trained.

Nothing here is guessed: it takes the number of test rows that `prepare` counted, and what the base was seen to score on
them. A spec that is released is never asked: its gates decided once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.errors import GituneError, Problem, RegistryError
from runner.evaluation.compare import EPSILON, LEVEL
from runner.evaluation.conditions import MIN_SLICE_ROWS, title
from runner.evaluation.margins import asked_of
from runner.evaluation.outside import COST
from runner.evaluation.paired import described
from runner.evaluation.power import passes_difference, sight
from runner.evaluation.words import number
from runner.inference.probe import is_probed
from runner.plan import keys
from runner.plan.floors import undercuts
from runner.plan.reasons import ReasonCode
from runner.plan.rivals import CHAMPION, find_named
from runner.registry.facts import Record, Version
from runner.spec.evaluation import Gate

if TYPE_CHECKING:
    from runner.plan.walk import Walk


def hopeless(walk: Walk, answers_key: str | None) -> tuple[ReasonCode, str] | None:
    """Return why a spec could never be released, with its place; None when it could, by what is known.

    Args:
        walk: the walk.
        answers_key: key of the base's answers; None before `prepare`.
    """
    loaded, config = walk.subject.loaded, walk.subject.config
    if problems := undercuts(loaded, config):
        return "undercuts_policy", _told(problems)
    n = _test_rows(walk)
    least = config.policy.min_test_rows
    if n is not None and least is not None and n < least:
        reason = f"{loaded.file}: {n} test rows, and policy.min_test_rows asks for {least}; add test rows"
        return "too_few_test_rows", reason
    problems = [
        Problem(fault.message, loaded.where(f"evaluation.gates.{i}"), fault.hint)
        for i, gate in enumerate(loaded.spec.evaluation.gates)
        if (fault := _fault(gate, n, _base_value(walk, gate, answers_key))) is not None
    ]
    return ("gate_unreachable", _told(problems)) if problems else None


def unmeasured(walk: Walk) -> tuple[ReasonCode, str] | None:
    """Return which gate compares with a model that its metric cannot be measured of any more, with its place.

    Asked where a training would run, since all of it can be known before.
    """
    loaded = walk.subject.loaded
    problems = [
        Problem(f"{title(gate)}: {why}", loaded.where(f"evaluation.gates.{i}"), hint)
        for i, gate in enumerate(loaded.spec.evaluation.gates)
        if (version := _rival(walk, gate)) is not None
        for why, hint in _unmeasured(walk, gate, version)
    ]
    return ("gate_unreachable", _told(problems)) if problems else None


def _rival(walk: Walk, gate: Gate) -> Version | None:
    """Return the released version that a gate compares with, if there is one; that none is, is told elsewhere."""
    if gate.rival in (None, "base"):
        return None
    if gate.rival == CHAMPION:
        return walk.champion
    try:
        return find_named(walk.subject.spec, walk.reader, None).get(str(gate.rival))
    except RegistryError:
        return None


def _unmeasured(walk: Walk, gate: Gate, version: Version) -> Iterator[tuple[str, str]]:
    who = f"{version.name} {version.version}"
    prices = (walk.subject.measures or {}).get(COST) or {}
    timed = is_probed([gate.metric], by_token="input_per_million" in prices)
    if timed and not walk.reader.exists(version.content.adapter):
        yield f"the weights of {who} are lost, so nobody can time its answers", "write `at_most` in place of a rival"
    if gate.metric == "consistency" and version.content.generation.get("samples", 1) == 1:
        yield f"{who} answers each question once, so it has no consistency", "write `at_least` in place of a rival"


def gate_notes(walk: Walk, answers_key: str) -> list[str]:
    """Return what each gate can see with the test rows there are; nothing while those are not counted.

    Args:
        walk: the walk, with `prepare` settled.
        answers_key: key of the base's answers.
    """
    if (n := _test_rows(walk)) is None:
        return []
    notes = []
    for gate in walk.subject.spec.evaluation.gates:
        said = sight(gate, _margin(gate, _base_value(walk, gate, answers_key)), n)
        if said is not None:
            notes.append(f"{title(gate)}: {said}")
    return notes


def _told(problems: list[Problem]) -> str:
    return "; ".join(f"{problem.where}: {problem.message}; {problem.hint}" for problem in problems)


def _test_rows(walk: Walk) -> int | None:
    prepared = walk.records.get("prepare")
    return prepared.metrics.get("rows", {}).get("test") if prepared else None


def _margin(gate: Gate, rival_value: float | None) -> float | None:
    """Return what a gate asks for as a difference, where that does not depend on an unknown value."""
    margin = gate.by or gate.margin
    if margin is None or margin.points is not None:
        size = (margin.points or 0.0) / 100 if margin else 0.0
        return size if gate.beats else -size
    try:
        return None if rival_value is None else asked_of(gate, rival_value).margin
    except GituneError:
        return None


def _fault(gate: Gate, n: int | None, base: float | None) -> GituneError | None:
    """Say why no model can pass a gate."""
    if base is not None and gate.rival == "base":
        try:
            asked_of(gate, base)
        except GituneError as error:
            return error
    if n is None or described(gate.metric).kind != "binary":
        return None
    if gate.slice is not None:
        least = gate.min_rows or MIN_SLICE_ROWS
        hint = f"add test rows, or write `min_rows: {number(n)}` or less"
        message = f"{title(gate)}: no {gate.slice} can have {least} rows, for there are {n} test rows"
        return GituneError(message, hint=hint) if n < least else None
    return _unprovable(gate, n, base)


def _unprovable(gate: Gate, n: int, base: float | None) -> GituneError | None:
    """Say that even the best possible answers pass nothing with so few rows."""
    if gate.rival is None:
        # Clopper and Pearson's bound when all rows are right, or none.
        bound = ((1 - LEVEL) / 2) ** (1 / n)
        reached = gate.at_least is None or bound >= gate.at_least - EPSILON
        reached &= gate.at_most is None or 1 - bound <= gate.at_most + EPSILON
        if gate.proof is None or reached:
            return None
        best = f"{n} of {n} right rows" if gate.at_least is not None else f"0 of {n} rows"
        return GituneError(f"{title(gate)}: not even {best} would prove it", hint="add test rows, or leave `proof` out")
    margin = _margin(gate, base)
    wrong = n if base is None or gate.rival != "base" else round(n * (1 - base))
    if margin is None or passes_difference(gate, margin, wrong, 0, n):
        return None
    message = f"{title(gate)}: not even a model that fixes {wrong} of {n} rows and breaks none would pass"
    return GituneError(message, hint="add test rows, or ask for less")


def _base_value(walk: Walk, gate: Gate, answers_key: str | None) -> float | None:
    """Return what the base was seen to score on these very rows, by the same rules."""
    if gate.rival != "base" or gate.slice is not None or answers_key is None:
        return None
    answered = walk.history.record("predict_base", answers_key)
    prepared = walk.records.get("prepare")
    if answered is None or prepared is None:
        return None
    for scored in walk.history.own("score", walk.subject.spec.name):
        if _is_alike(scored, answered, prepared, walk) and _has_same_meaning(gate.metric, scored, walk):
            value = scored.metrics.get("base", {}).get(gate.metric)
            return None if value is None else float(value)
    return None


def _is_alike(scored: Record, answered: Record, prepared: Record, walk: Walk) -> bool:
    inputs = scored.inputs
    return (
        inputs.get("implementation") == keys.IMPLEMENTATION["score"]
        and inputs.get("test") == prepared.outputs["test"].digest
        and inputs.get("answers", {}).get("base") == answered.outputs["answers"].digest
        and inputs.get("label") == walk.subject.spec.dataset.label
        and inputs.get("contract") == walk.subject.contract
        and inputs.get("measures") == walk.subject.measures
    )


def _has_same_meaning(metric: str, scored: Record, walk: Walk) -> bool:
    """Whether a metric of the spec's own was defined as it is now."""
    before = scored.inputs.get("custom_metrics", {})
    return bool(before.get(metric) == keys.own_definitions(walk.subject.spec).get(metric))
