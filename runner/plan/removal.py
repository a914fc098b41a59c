"""What no spec asks for any more: (wanted names and aliases, deployment logs, git's past) -> UNDEPLOY, or why not.

A deployment is taken away only when this repository's history proves that it was asked for here and is not any more:
the spec was there at the commit that deployed it, and that commit is an ancestor of this one. So an empty or broken set
of specs, a name of another repository in the same store, and a commit older than the deployment take nothing away.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from runner.plan.decision import Decision
from runner.plan.delivery import Delivery
from runner.plan.keys import step_key
from runner.plan.model import Action, PlannedStep, SpecPlan
from runner.registry.facts import STEPS, Deployment
from runner.registry.views import RegistryReader
from runner.spec.load import FILE_NAME
from runner.spec.models import Spec

CANNOT_TELL = "no spec here asks for it, and this clone is too shallow to tell whether one did: `git fetch --unshallow`"

NEVER_HERE = "no spec here asks for it, and nothing in git's history says that one ever did"


@dataclass(frozen=True, slots=True)
class Stray:
    """A live deployment that no spec asks for."""

    live: Deployment
    """The last entry of its log."""
    heir: Spec | None
    """The spec of its name, when that asks for another alias now."""

    @property
    def file(self) -> str:
        """The file that asked for it."""
        return f"specs/{self.live.name}/{FILE_NAME}"


def find_strays(specs: Sequence[Spec], reader: RegistryReader, names: Collection[str] | None = None) -> list[Stray]:
    """Return what is live and not asked for, by name and alias.

    Args:
        specs: every spec of the repository; with none at all nothing is a stray.
        reader: what the registry holds.
        names: the only names to look at, where `specs` are all specs of these and the repository has others too.
    """
    wanted = {spec.name: spec for spec in specs}
    if not wanted and names is None:
        return []
    asked = {(spec.name, spec.deployment.alias) for spec in specs}
    others = [log for log in reader.logs() if log not in asked and (names is None or log[0] in names)]
    entries = [reader.live(name, alias) for name, alias in others]
    return [Stray(live, wanted.get(live.name)) for live in entries if live is not None and live.version is not None]


def plan_removals(
    strays: Sequence[Stray], plans: Sequence[SpecPlan], reader: RegistryReader, delivery: Delivery
) -> list[SpecPlan]:
    """Plan what becomes of strays; what was never asked for here is left out.

    Args:
        strays: what is live and not asked for.
        plans: the plans of the specs, which may bring an heir up first.
        reader: what the registry holds.
        delivery: git's side of it.
    """
    past = delivery.past
    if past is None or not strays:
        return []
    heirs = {plan.name: plan.step("deploy") for plan in plans}
    known = past.holds([(stray.live.commit, stray.file) for stray in strays])
    shallow = not all(known) and past.is_shallow()
    ours = [stray for stray, was_here in zip(strays, known, strict=True) if was_here or shallow]
    return [_plan(stray, decide(stray, reader, delivery, heirs)) for stray in ours]


def decide(
    stray: Stray, reader: RegistryReader, delivery: Delivery, heirs: Mapping[str, PlannedStep] | None = None
) -> Decision:
    """Decide what becomes of a stray.

    Args:
        stray: a live deployment that no spec asks for.
        reader: what the registry holds.
        delivery: git's side of it.
        heirs: what is planned for the specs of the same name; None when they were applied already.
    """
    stop = _stop(stray, delivery) or _heir(stray, reader, heirs)
    if stop is not None:
        return stop
    live, past = stray.live, delivery.past
    target = {"name": live.name, "alias": live.alias, "undeploy": live.version}
    if stray.heir is not None:
        return _decision("UNDEPLOY", f"{stray.file} asks for {stray.heir.deployment.alias}", step_key(target))
    commit = past.changed_by(stray.file) if past else None
    since = f" since {commit[:8]}" if commit else ""
    return _decision("UNDEPLOY", f"{stray.file} is gone{since}", step_key(target))


def _stop(stray: Stray, delivery: Delivery) -> Decision | None:
    """Return what git has against it: not proven, not here, not now."""
    past, commit = delivery.past, delivery.checkout.commit
    if past is None or commit is None:
        return _decision("NONE", NEVER_HERE)
    known, is_here = past.holds([(stray.live.commit, stray.file), (commit, stray.file)])
    if not known:
        return _decision("NONE", CANNOT_TELL if past.is_shallow() else NEVER_HERE)
    if (elsewhere := delivery.elsewhere("undeployed")) is not None:
        return _decision("NONE", elsewhere.reason)
    if not delivery.descends(stray.live.commit):
        deployed = f"{stray.live.version} was deployed from {stray.live.commit[:8]}"
        return _decision("NONE", f"{deployed}, which is not in this history: not for this commit to take away")
    wrong = ""
    if uncommitted := delivery.uncommitted(stray.file):
        wrong = f"uncommitted: {', '.join(uncommitted[:3])}; commit first"
    elif is_here and stray.heir is None:
        wrong = f"{stray.file} is in {commit[:8]} but not in this folder (a sparse checkout?)"
    return _decision("BLOCKED", wrong) if wrong else None


def _heir(stray: Stray, reader: RegistryReader, heirs: Mapping[str, PlannedStep] | None) -> Decision | None:
    """Keep the old alias until the spec is live under its new one."""
    if (spec := stray.heir) is None:
        return None
    new = reader.live(spec.name, spec.deployment.alias)
    if new is not None and new.version == spec.version:
        return None
    what = f"{spec.version} is live as {spec.deployment.alias}"
    match heirs and heirs[spec.name].action:
        case "RUN":
            return None
        case "DEPENDS" | "WAIT":
            return _decision("DEPENDS", f"undeployed once {what}")
        case _:
            return _decision("BLOCKED", f"stays until {what}")


def _decision(action: Action, reason: str, key: str | None = None) -> Decision:
    return Decision("deploy", action, reason, key)


def _plan(stray: Stray, decision: Decision) -> SpecPlan:
    nothing = [PlannedStep(step=step, action="NONE", key=None, reason="nothing to do") for step in STEPS[:-1]]
    deploy = PlannedStep(step="deploy", action=decision.action, key=decision.key, reason=decision.reason)
    live = stray.live
    return SpecPlan(
        name=live.name,
        version=str(live.version),
        file=stray.file,
        champion=None,
        steps=[*nothing, deploy],
        removed=live.alias,
    )
