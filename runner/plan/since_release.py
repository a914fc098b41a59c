"""A decided walk -> what its spec's change since the live (else the newest released) version costs at most.

Keys that an earlier step still decides count as different: a plan may say more than the apply turns out to do, never
less. `gitune diff` and `plan --base` read the rows of both sides and know better.
"""

from __future__ import annotations

from typing import NamedTuple

from runner.plan.model import ChangeClass, Flag
from runner.plan.walk import Walk
from runner.registry.facts import Deployment, Step, Version


class Since(NamedTuple):
    """A class, and what the change does to the bar."""

    change_class: ChangeClass
    flags: list[Flag]


def since_release(walk: Walk, live: Deployment | None) -> Since:
    """Classify the change that a walk was decided for.

    Args:
        walk: every step decided.
        live: what is live under the spec's alias.
    """
    spec = walk.subject.spec
    is_live = live is not None and (live.version, live.target) == (spec.version, spec.deployment.target)
    if is_live and all(decision.action in ("REUSE", "NONE") for decision in walk.decisions.values()):
        return Since("nothing", [])
    version = _reference(walk, live)
    if version is None:
        return Since("new", [])
    # Late: a plan with nothing to do needs none of it.
    from runner.plan.difference import CLASSES, classify

    steps = [step for step in CLASSES if step != "deploy" and _differs(walk, step, version)]
    return Since(classify(steps if is_live else [*steps, "deploy"]), _flags(walk, version))


def _reference(walk: Walk, live: Deployment | None) -> Version | None:
    name = walk.subject.spec.name
    if live is not None and live.version is not None and (found := walk.reader.version(name, live.version)) is not None:
        return found
    return next(reversed(walk.reader.versions(name)), None)


def _differs(walk: Walk, step: Step, version: Version) -> bool:
    decision = walk.decisions[step]
    if decision.key is None:
        return decision.action in ("DEPENDS", "BLOCKED")
    return decision.key != version.keys.get(step)


def _flags(walk: Walk, version: Version) -> list[Flag]:
    from runner.plan.difference import compare_inputs
    from runner.plan.symbols import PREPARED, step_inputs

    records = {step: walk.reader.record(step, key) for step, key in version.keys.items() if key is not None}
    old = {step: dict(record.inputs) for step, record in records.items() if record is not None}
    prepared = walk.records.get("prepare")
    new = step_inputs(walk.subject, {name: prepared.outputs[name].digest for name in PREPARED} if prepared else None)
    if prepared is None:
        # Which rows the test set will have is for `prepare` to say.
        for inputs in (old.get("score", {}), new["score"]):
            inputs.pop("test", None)
    return compare_inputs(old, new).flags
