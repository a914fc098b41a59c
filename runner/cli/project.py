"""The repository a verb works in: its root, config, specs, registry and git facts, opened once."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import click

from runner import git
from runner.cli.configuration import read_config
from runner.cli.hosted import require_shared_store
from runner.cli.repository import cache_folder, find_root
from runner.contract.contract import build_contract
from runner.digest import digest_bytes
from runner.errors import Problem, SpecError, UsageError
from runner.file_index import FileIndex
from runner.plan.delivery import Delivery
from runner.plan.subject import Subject, gather_all
from runner.registry.namespaces import check_namespace
from runner.registry.registry import Registry, open_adopting, open_namespace, open_registry, open_snapshot
from runner.registry.store import Store, open_store
from runner.spec.config import Config
from runner.spec.known import KnownDocuments
from runner.spec.load import load_specs

__all__ = ["Project", "cache_folder", "coloured", "find_root", "open_project"]


def coloured() -> bool:
    """Whether stdout is a terminal that may be coloured."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


@dataclass(frozen=True)
class Project:
    """A repository with specs, opened lazily part by part."""

    root: Path
    namespace: str | None = None
    """Where a pull request's runs write, such as `pr/12`; None: main's registry."""
    snapshot: Path | None = None
    """Published snapshot that stands for the registry; the store is not asked then."""

    @cached_property
    def config(self) -> Config:
        """registry/config.yaml, of the commit that GITUNE_CONFIG_FROM names where it is set."""
        return read_config(self.root, self._known)

    @cached_property
    def store(self) -> Store:
        """The store below that registry, for verbs that look after it."""
        return open_store(self.config.store, self.root)

    @cached_property
    def registry(self) -> Registry:
        """The registry that the config names, as the namespace sees it."""
        if self.namespace is None:
            return self.main_registry
        self.require_shared_store()
        return self.seen_in(self.namespace)

    @cached_property
    def main_registry(self) -> Registry:
        """The registry that the config names, whatever the namespace, or its snapshot."""
        if self.snapshot is not None:
            return open_snapshot(self.snapshot, cache_folder())
        return open_registry(self.config.store, self.root, cache_folder(), self.config.cache.max_bytes)

    def seen_in(self, namespace: str) -> Registry:
        """Return the registry as a namespace sees it."""
        limit = self.config.cache.max_bytes
        return open_namespace(self.config.store, self.root, cache_folder(), namespace, max_cache=limit)

    def adopting(self, namespaces: Sequence[str]) -> Registry:
        """Return main's registry as it will be once it has adopted from namespaces."""
        limit = self.config.cache.max_bytes
        return open_adopting(self.config.store, self.root, cache_folder(), namespaces, limit)

    def require_shared_store(self) -> None:
        """Refuse, in a job of GitHub Actions, a store that other jobs do not see.

        Raises:
            RegistryError: when the store is a folder of that job's machine.
        """
        require_shared_store(self.config.store, self.root, os.environ)

    def tell_if_empty(self) -> None:
        """Say on stderr that nothing was ever stored: a mistyped `store` looks just like a first run."""
        if not self.main_registry.check_layout():
            click.echo(f"the registry at {self.config.store} is empty: everything will run", err=True)

    def subjects(self, names: Sequence[str] = ()) -> list[Subject]:
        """Load specs with the digests their keys are made of."""
        index = self.file_index()
        subjects = gather_all(load_specs(self.root, names, self._known), self.config, index, self._known)
        index.save()
        self._known.save()
        return subjects

    def file_index(self) -> FileIndex:
        """Return the digests of files of this repository, as they were read last."""
        return FileIndex(self._index)

    @property
    def _index(self) -> Path:
        """Folder for what is known about files of this repository."""
        return cache_folder() / "index" / digest_bytes(str(self.root).encode())[:16]

    @cached_property
    def _known(self) -> KnownDocuments:
        return KnownDocuments(self._index)

    def check_schema(self, names: Sequence[str] = ()) -> None:
        """Check specs against the published JSON Schema too, as an editor does, and build their format contracts.

        Raises:
            SpecError: with every difference.
        """
        from runner.spec.schema import validate_with_jsonschema

        problems: list[Problem] = []
        for loaded in load_specs(self.root, names):
            problems += validate_with_jsonschema(loaded)
            where = loaded.where("evaluation.output_format")
            try:
                build_contract(loaded.spec.evaluation.output_format, loaded.folder, loaded.root, where)
            except SpecError as error:
                problems += error.problems
        if problems:
            raise SpecError(problems)

    def aliases(self, name: str) -> list[str]:
        """Return the aliases of a name: what its spec asks for first, then all others it was ever deployed under.

        Raises:
            UsageError: when there is neither a spec nor a deployment of that name.
        """
        logs = [alias for known, alias in self.registry.logs() if known == name]
        try:
            (loaded,) = load_specs(self.root, [name])
        except UsageError:
            if not logs:
                raise
            return logs  # the spec was removed
        asked = loaded.spec.deployment.alias
        return [asked, *(alias for alias in logs if alias != asked)]

    def delivery(self, *, force_older: bool = False) -> Delivery:
        """Read git's side of a deployment."""
        checkout = git.read_checkout(self.root)
        head = checkout.commit or ""
        return Delivery(
            checkout=checkout,
            deploy_branch=self.config.policy.deploy_branch,
            dirty=git.dirty(self.root, ["specs"]) if checkout.commit else [],
            # Specs of one release share the commit that they went live from, and an apply asks again.
            descends=cache(lambda commit: git.is_ancestor(self.root, commit, head)),
            force_older=force_older,
            past=git.Past(self.root, head) if head else None,
        )


def open_project(directory: Path, namespace: str | None = None, snapshot: Path | None = None) -> Project:
    """Open the repository around a folder, and its registry under a namespace: the given one, else GITUNE_NAMESPACE.

    Raises:
        UsageError: when it is no namespace, or a snapshot is to stand for one.
    """
    chosen = namespace or os.environ.get("GITUNE_NAMESPACE") or None
    if chosen and snapshot:
        raise UsageError(f"a snapshot is of main's registry, and this is the namespace {chosen}", hint="drop one")
    return Project(find_root(directory), check_namespace(chosen) if chosen else None, snapshot)
