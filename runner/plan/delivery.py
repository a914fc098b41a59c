"""May this checkout deploy? Git's side of it: committed, on the deploy branch, not older than what is live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

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


class Past(Protocol):
    """What the history of HEAD says about files that are gone."""

    def holds(self, files: Sequence[tuple[str, str]]) -> list[bool]:
        """Return for each commit and path whether the commit is known here and has the file."""

    def changed_by(self, path: str) -> str | None:
        """Return the last commit that changed, added or removed a file."""

    def is_shallow(self) -> bool:
        """Return whether this clone lacks a part of the history."""


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
    past: Past | None = None
    """History that may prove that a spec was here and is gone; None: nothing is ever undeployed."""

    def uncommitted(self, file: str) -> list[str]:
        """Return the paths beside a spec's file that are not as committed."""
        folder = file.rsplit("/", 1)[0] + "/"
        return [path for path in self.dirty if path.startswith(folder)]

    def commit_of(self, loaded: LoadedSpec) -> str | None:
        """Return the commit that holds this spec as it is; None when it holds another, or there is none."""
        return None if self.uncommitted(loaded.file) else self.checkout.commit

    def elsewhere(self, what: str = "deploys") -> Obstacle | None:
        """Return that this is not the branch whose applies deploy, when it is not."""
        if self.checkout.branch == self.deploy_branch:
            return None
        here = self.checkout.branch or "a detached HEAD"
        reason = f"{what} from {self.deploy_branch} once merged; this is {here}"
        return Obstacle("NONE", reason, "not_on_deploy_branch")

    def obstacle(self, loaded: LoadedSpec, live: Deployment | None) -> Obstacle | None:
        """Return what keeps this spec from being deployed from here, if anything does."""
        if self.checkout.commit is None:
            reason = "a deployment names its commit, and there is none: `git init` and commit first"
            return Obstacle("BLOCKED", reason, "no_commit")
        if (elsewhere := self.elsewhere()) is not None:
            return elsewhere
        if uncommitted := self.uncommitted(loaded.file):
            return Obstacle("BLOCKED", f"uncommitted: {', '.join(uncommitted[:3])}; commit first", "uncommitted")
        if live is not None and not self.force_older and not self.descends(live.commit):
            what = f"{live.version} was deployed" if live.version else "it was undeployed"
            return Obstacle(
                "BLOCKED",
                f"{what} from {live.commit[:8]}, which is not in this history; pull first, or --force-older",
                "older_commit",
            )
        return None
