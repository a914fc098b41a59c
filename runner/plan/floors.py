"""`policy.floors` of registry/config.yaml against a spec's gates: a spec may ask for more, never for less. Light."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from runner.errors import Problem
from runner.evaluation.conditions import title
from runner.spec.config import CONFIG_FILE, Config, Floor
from runner.spec.evaluation import Gate, Margin
from runner.spec.load import LoadedSpec
from runner.spec.models import Spec


def undercuts(loaded: LoadedSpec, config: Config) -> list[Problem]:
    """Return a problem for each floor that a spec's gates do not keep, at the gate that comes nearest."""
    evaluation, policy = loaded.spec.evaluation, config.policy
    problems = []
    for number, floor in enumerate(policy.floors):
        if any(keeps(gate, floor) for gate in evaluation.gates):
            continue
        near = next((i for i, gate in enumerate(evaluation.gates) if _is_like(gate, floor)), None)
        asked = f"{_place(loaded, f'policy.floors.{number}')} asks for `{_words(floor)}`"
        if near is None:
            message, where = f"no gate does what {asked}", loaded.where("evaluation.gates")
        else:
            message = f"`{title(evaluation.gates[near])}` is less than {asked}"
            where = loaded.where(f"evaluation.gates.{near}")
        problems.append(Problem(message, where, "ask for as much in a gate, or change the policy on the base branch"))
    if policy.on_inconclusive == "fail" and evaluation.on_inconclusive != "fail":
        asked = _place(loaded, "policy.on_inconclusive")
        message = f"`on_inconclusive: {evaluation.on_inconclusive}` is less than {asked} asks for"
        at = loaded.where("evaluation.on_inconclusive")
        problems.append(Problem(message, at, "leave it out, or change `policy.on_inconclusive` on the base branch"))
    return problems


def unproven(spec: Spec, config: Config, verdicts: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the floors, in words, that no gate which keeps them was shown to meet: those nobody may approve.

    Args:
        spec: the spec.
        config: the floors.
        verdicts: what the gate step recorded, or a report says.
    """
    passed = {verdict["gate"] for verdict in verdicts if verdict["outcome"] == "PASS"}
    met = [gate for gate in spec.evaluation.gates if title(gate) in passed]
    return [_words(floor) for floor in config.policy.floors if not any(keeps(gate, floor) for gate in met)]


def _place(loaded: LoadedSpec, path: str) -> str:
    """Say where the policy is written; only an error needs to know."""
    from runner.spec.yaml_file import read_yaml

    where = read_yaml(loaded.root / CONFIG_FILE, loaded.root).where(path)
    return f"{where.file}:{where.line}"


def keeps(gate: Gate, floor: Floor) -> bool:
    """Whether a gate asks for at least as much as a floor."""
    if (floor.metric is not None and gate.metric != floor.metric) or gate.slice is not None:
        return False
    if floor.proof is not None and gate.proof is None:
        return False
    if floor.at_least is not None:
        return gate.at_least is not None and gate.at_least >= floor.at_least
    if floor.at_most is not None:
        return gate.at_most is not None and gate.at_most <= floor.at_most
    if floor.beats is not None:
        return gate.beats == floor.beats and _at_most(floor.by, gate.by)
    # Who beats a model is not worse than it.
    return gate.beats == floor.not_worse_than or (
        gate.not_worse_than == floor.not_worse_than and _at_most(gate.margin, floor.margin)
    )


def _at_most(one: Margin | None, other: Margin | None) -> bool:
    """Whether a margin is no wider than another; margins in different units are not comparable."""
    if one is None or _size(one)[1] == 0:
        return True
    if other is None:
        return False
    (unit, size), (other_unit, other_size) = _size(one), _size(other)
    return unit == other_unit and size <= other_size


def _size(margin: Margin) -> tuple[str, float]:
    if margin.points is not None:
        return "points", margin.points
    unit, text = ("relative", margin.relative) if margin.relative else ("error_reduction", margin.error_reduction)
    return unit, float((text or "0").rstrip("% "))


def _is_like(gate: Gate, floor: Floor) -> bool:
    """Whether a gate asks the same question, for a message that points at it."""
    if gate.slice is not None or (floor.metric is not None and gate.metric != floor.metric):
        return False
    if floor.beats or floor.not_worse_than:
        return gate.rival == (floor.beats or floor.not_worse_than)
    return (gate.at_least is not None) == (floor.at_least is not None) and gate.rival is None


def _words(floor: Floor) -> str:
    """Say a floor as the gate that keeps it."""
    return title(floor.as_gate()).replace("any_metric", "any metric", 1)
