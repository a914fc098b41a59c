"""A target -> a verified rollback on a branch of its own, with the bad version on hold. What is live stays live.

    done = roll_back(root, target, who, reason, registry, config, cache, report, now)

Nothing is written before everything is verified: first the hold, then the branch. A second call comes to the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from runner import git, git_branch
from runner.plan.model import SpecPlan
from runner.plan.rulings import standing_holds
from runner.progress import Report
from runner.registry.facts import Ruling
from runner.registry.views import RegistryWriter
from runner.rollback.restore import Start, branch_of, choose_commit, find_start, make_commit, plan_of
from runner.rollback.target import Target
from runner.rollback.verify import Verified, verify
from runner.spec.config import Config


@dataclass(frozen=True, slots=True)
class Rollback:
    """A rollback that only needs to be merged."""

    target: Target
    """What comes back, and what goes."""
    reason: str
    """Why."""
    verified: Verified
    """What was verified."""
    plan: SpecPlan
    """What an apply of it does."""
    start: Start
    """What it is made on."""
    branch: str
    """Its branch."""
    commit: str
    """Its commit."""
    hold: Ruling | None
    """What keeps the bad version away; None where nothing was live."""

    @property
    def seconds(self) -> float:
        """Seconds that the apply after the merge is expected to take."""
        # Its deployment verifies and loads once more; a record of it, where there is one, knows better.
        return self.plan.step("deploy").estimate.seconds or self.verified.seconds

    @property
    def title(self) -> str:
        """The first line of its commit."""
        was = f", from {self.target.live.version}" if self.target.live.version else ""
        return f"Roll back {self.target.name} to {self.target.version.version}{was}"


def roll_back(
    root: Path,
    target: Target,
    who: str,
    reason: str,
    registry: RegistryWriter,
    config: Config,
    cache: Path,
    report: Report,
    now: datetime,
) -> Rollback:
    """Verify a version, hold the one that is live, and restore the old spec on a branch.

    Args:
        root: the repository.
        target: what to go back to.
        who: decides it.
        reason: theirs.
        registry: where facts and weights are.
        config: of the base branch.
        cache: machine-wide cache.
        report: told about progress.
        now: the time.

    Raises:
        GituneError: when the version cannot be had, would not come back for free, or the branch is somebody else's;
            nothing was written then.
    """
    start = find_start(root, config.policy.deploy_branch, target)
    verified = verify(target, registry, root, cache, report)
    made = make_commit(root, start, target, who, reason)
    plan = plan_of(root, made, target, registry, config)
    branch = branch_of(target)
    here = git.resolve_commit(root, f"refs/heads/{branch}")
    commit = choose_commit(root, branch, made, [here, git_branch.remote_tip(root, branch)])
    hold = _hold(target, who, reason, registry, now)
    if commit != here:
        git_branch.point_branch(root, branch, commit, here)
    return Rollback(target, reason, verified, plan, start, branch, commit, hold)


def _hold(target: Target, who: str, reason: str, registry: RegistryWriter, now: datetime) -> Ruling | None:
    """Keep the version that is live from being deployed again once it is gone."""
    bad = target.live.version
    if bad is None:
        return None
    rulings = registry.rulings(target.name)
    standing = next((hold for hold in standing_holds(rulings) if hold.version == bad), None)
    if standing is not None:
        return standing
    told = f"rolled back to {target.version.version}: {reason}"
    number = len(rulings) + 1
    hold = Ruling(number=number, name=target.name, kind="hold", version=bad, who=who, reason=told, at=now)
    registry.add_ruling(hold)
    return hold
