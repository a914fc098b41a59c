"""The repository a verb works in: its root, config, specs, registry and git facts, opened once."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from runner import git
from runner.cli.repository import cache_folder, find_root
from runner.contract.contract import build_contract
from runner.digest import digest_bytes
from runner.errors import Problem, SpecError
from runner.file_index import FileIndex
from runner.plan.delivery import Delivery
from runner.plan.subject import Subject, gather_all
from runner.registry.registry import Registry, open_registry
from runner.registry.store import Store, open_store
from runner.spec.config import Config, load_config
from runner.spec.load import load_specs

__all__ = ["Project", "cache_folder", "coloured", "find_root", "open_project"]


def coloured() -> bool:
    """Whether stdout is a terminal that may be coloured."""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


@dataclass(frozen=True)
class Project:
    """A repository with specs, opened lazily part by part."""

    root: Path

    @cached_property
    def config(self) -> Config:
        """registry/config.yaml."""
        return load_config(self.root)

    @cached_property
    def store(self) -> Store:
        """The store below that registry, for verbs that look after it."""
        return open_store(self.config.store, self.root)

    @cached_property
    def registry(self) -> Registry:
        """The registry that the config names."""
        return open_registry(self.config.store, self.root, cache_folder())

    def subjects(self, names: Sequence[str] = ()) -> list[Subject]:
        """Load specs with the digests their keys are made of."""
        index = FileIndex(cache_folder() / "index" / digest_bytes(str(self.root).encode())[:16])
        subjects = gather_all(load_specs(self.root, names), self.config, index)
        index.save()
        return subjects

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

    def delivery(self, *, force_older: bool = False) -> Delivery:
        """Read git's side of a deployment."""
        checkout = git.read_checkout(self.root)
        head = checkout.commit or ""
        return Delivery(
            checkout=checkout,
            deploy_branch=self.config.policy.deploy_branch,
            dirty=git.dirty(self.root, ["specs"]) if checkout.commit else [],
            descends=lambda commit: git.is_ancestor(self.root, commit, head),
            force_older=force_older,
        )


def open_project(directory: Path) -> Project:
    """Open the repository around a folder."""
    return Project(find_root(directory))
