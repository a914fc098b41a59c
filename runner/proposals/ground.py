"""Where a proposal is judged: its tree as data, the base branch's configuration, and a registry that keeps nothing.

The registry is main's, with the trainings and answers of the namespaces that the proposal's own runs wrote to, and with
a scratch folder that takes what is made here. Scores and verdicts of a namespace are never seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path

from runner import git
from runner.file_index import FileIndex
from runner.plan.delivery import Delivery
from runner.progress import Report, silent
from runner.registry.facts import Failure, Step
from runner.registry.namespaces import Overlay, inside
from runner.registry.registry import Registry, adopting
from runner.registry.store import Store, open_store
from runner.spec.config import Config

Agreed = Callable[[str, Sequence[str]], str | None]
"""(path, its code owners) -> the one of them who approved this very commit."""

EVERY_SPEC = "*"
"""Stands for all specs in `Ground.running`."""


@dataclass(frozen=True, slots=True)
class Running:
    """A run that is at a proposal."""

    since: datetime | None = None
    """When it began, UTC."""
    url: str | None = None
    """Where it can be watched."""


@dataclass(frozen=True)
class Ground:
    """What a proposal is judged on."""

    root: Path
    """The proposal's tree."""
    base_ref: str
    """The base branch, as git knows it here: `origin/main`."""
    config: Config
    """registry/config.yaml of the base branch."""
    cache: Path
    """Machine-wide cache."""
    scratch: Path
    """Empty folder for what is made here."""
    namespaces: Sequence[str] = ()
    """Where its own runs wrote, such as `pr/12`; the first that has a record counts."""
    running: Mapping[str, Running] = field(default_factory=dict)
    """Runs that are at its specs, by name or `EVERY_SPEC`."""
    ended: bool = False
    """Whether the runs that train this commit have ended: what is not there then will not come."""
    agreed: Agreed = lambda _path, _owners: None
    """Asked who agreed to a change of the bar."""
    report: Report = silent
    """Told about progress."""

    @cached_property
    def main(self) -> Registry:
        """Main's registry."""
        return self._open(self._main)

    @cached_property
    def registry(self) -> Registry:
        """The registry that the proposal is planned and judged with."""
        seen = adopting(self._main, self.config.store, self.root, self.namespaces)
        return self._open(Overlay(seen, open_store(str(self.scratch / "store"), self.root), "pr/1"))

    def failure(self, step: Step, key: str) -> Failure | None:
        """Return the failure for good that a run of the proposal met at a step; words for people, no verdict."""
        views = (self._open(open_store(inside(self.config.store, name), self.root)) for name in self.namespaces)
        return next((found for view in views if (found := view.failure(step, key)) is not None), None)

    @cached_property
    def delivery(self) -> Delivery:
        """Git's side of a deployment: a proposal deploys nothing, wherever it is judged."""
        commit = git.read_checkout(self.root).commit
        return Delivery(
            # No branch has a space in its name, so none that deploys is taken for it.
            checkout=git.Checkout(self.root, commit, "a proposal"),
            deploy_branch=self.config.policy.deploy_branch,
            dirty=[],
            descends=cache(lambda older: git.is_ancestor(self.root, older, commit or "")),
            past=git.Past(self.root, commit) if commit else None,
        )

    @cached_property
    def index(self) -> FileIndex:
        """Digests of the tree's files, which lie there only for a moment."""
        return FileIndex(self.scratch / "index")

    @cached_property
    def _main(self) -> Store:
        return open_store(self.config.store, self.root)

    def _open(self, store: Store) -> Registry:
        registry = Registry(store, self.cache, self.config.cache.max_bytes)
        registry.check_layout()
        return registry
