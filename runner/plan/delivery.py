"""May this checkout deploy? Git's side of it: committed, on the deploy branch, not older than what is live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from runner.git import Checkout
from runner.plan.reasons import ReasonCode
from runner.registry.facts import Deployment
from runner.spec.load import LoadedSpec


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why nothing is deployed: NONE when this is not the place for it, BLOCKED when something must be mended."""

    action: Literal["NONE", "BLOCKED"]
    reason: str
    code: ReasonCode


@dataclass(frozen=True, slots=True)
class Delivery:
    """The git facts that deployments are decided by."""

    checkout: Checkout
    deploy_branch: str
    dirty: Sequence[str]
    """Repository paths with uncommitted changes."""
    descends: Callable[[str], bool | None]
    """Whether HEAD is a commit or descends from it; None when the commit is unknown here."""
    force_older: bool = False

    def uncommitted(self, loaded: LoadedSpec) -> list[str]:
        """Return the paths beside a spec that are not as committed."""
        folder = loaded.file.rsplit("/", 1)[0] + "/"
        return [path for path in self.dirty if path.startswith(folder)]

    def commit_of(self, loaded: LoadedSpec) -> str | None:
        """Return the commit that holds this spec as it is; None when it holds another, or there is none."""
        return None if self.uncommitted(loaded) else self.checkout.commit

    def obstacle(self, loaded: LoadedSpec, live: Deployment | None) -> Obstacle | None:
        """Return what keeps this spec from being deployed from here, if anything does."""
        uncommitted = self.uncommitted(loaded)
        if self.checkout.commit is None:
            reason = "a deployment names its commit, and there is none: `git init` and commit first"
            return Obstacle("BLOCKED", reason, "no_commit")
        if self.checkout.branch != self.deploy_branch:
            here = self.checkout.branch or "a detached HEAD"
            reason = f"deploys from {self.deploy_branch} once merged; this is {here}"
            return Obstacle("NONE", reason, "not_on_deploy_branch")
        if uncommitted:
            return Obstacle("BLOCKED", f"uncommitted: {', '.join(uncommitted[:3])}; commit first", "uncommitted")
        if live is not None and not self.force_older and not self.descends(live.commit):
            return Obstacle(
                "BLOCKED",
                f"{live.version} was deployed from {live.commit[:8]}, which is not in this history; "
                "pull first, or --force-older",
                "older_commit",
            )
        return None
