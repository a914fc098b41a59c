"""A spec's plan against the deployment log: is something else live than the spec asks for, and will an apply mend it?

A commit that only waits for its apply is no drift, unless it has waited for longer than any apply takes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from runner import git
from runner.drift.finding import Drift
from runner.plan.delivery import Delivery
from runner.plan.model import PlannedStep, SpecPlan
from runner.registry.facts import Deployment
from runner.registry.views import RegistryReader

OVERDUE = timedelta(days=1)
"""How long a commit may wait for its apply."""

# Of this working tree, not of what is live.
_LOCAL = ("uncommitted", "no_commit")


def find_pointer(
    plan: SpecPlan, alias: str, reader: RegistryReader, delivery: Delivery, root: Path, now: datetime
) -> Drift | None:
    """Return that something else is live than a spec asks for, unless an apply is about to change it.

    Args:
        plan: of the spec, or of a deployment that no spec asks for.
        alias: whose log counts.
        reader: what the registry holds.
        delivery: git's side; on another branch than the deploy branch, specs are a proposal and nothing drifts.
        root: the repository.
        now: the time.
    """
    live, deploy = reader.live(plan.name, alias), plan.step("deploy")
    number = live.version if live else None
    wanted = None if plan.removed else plan.version
    if delivery.elsewhere() is not None or deploy.reason_code in _LOCAL or wanted == number:
        return None
    told = f"{'spec asks for ' + wanted if wanted else 'no spec asks for it'}, live is {number or 'nothing'}"
    if (blocked := _blocked(plan, deploy)) is not None:
        what = f"{told}; an apply cannot change that: {blocked.step}: {blocked.reason}"
        return Drift(
            "pointer", plan.name, alias, what, "mend what is in the way, or take the spec back to what is live"
        )
    return _moved(plan, wanted, live, told, reader, root) or _overdue(plan, alias, told, delivery, root, now)


def _blocked(plan: SpecPlan, deploy: PlannedStep) -> PlannedStep | None:
    if deploy.action != "BLOCKED":
        return None
    return next(step for step in plan.steps if step.action == "BLOCKED")


def _moved(
    plan: SpecPlan, wanted: str | None, live: Deployment | None, told: str, reader: RegistryReader, root: Path
) -> Drift | None:
    """Tell that this very spec was live before, and something else was put in its place."""
    if wanted is None or live is None:
        return None
    changed = git.Past(root, "HEAD").changed_by(f"specs/{plan.name}")
    log = reader.deployments(plan.name, live.alias)
    was = next((entry for entry in reversed(log) if entry.version == wanted), None)
    if was is None or changed is None or not git.is_ancestor(root, changed, was.commit):
        return None
    moved = f"entry {live.number} moved it away (commit {live.commit[:12]})"
    what = f"{told}; entry {was.number} had deployed {wanted}, {moved}"
    return Drift("pointer", plan.name, live.alias, what, "apply the deploy branch; look who deploys from elsewhere")


def _overdue(plan: SpecPlan, alias: str, told: str, delivery: Delivery, root: Path, now: datetime) -> Drift | None:
    past = git.Past(root, delivery.checkout.commit or "HEAD")
    changed = past.changed_by(f"specs/{plan.name}")
    since = git.commit_time(root, changed) if changed else None
    if since is None or now - since < OVERDUE:
        return None
    what = f"{told}; commit {str(changed)[:12]} of {since:%Y-%m-%d} still waits for its apply"
    return Drift("pointer", plan.name, alias, what, "see why the deployment of that commit failed, then apply again")
