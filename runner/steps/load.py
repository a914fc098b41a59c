"""The check that a model loads, as a child process does it: verified files -> the engine that will serve them.

It needs neither a spec nor the registry, so that process starts in a tenth of a second and most of that is llama.cpp's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runner.models.base import BaseRef, materialize
from runner.progress import Report

# Pydantic would double what that process costs.
if TYPE_CHECKING:
    from runner.registry.facts import Step


@dataclass(frozen=True, slots=True)
class LoadCheck:
    """Load a model once, and let go of it. A piece of work for a process of its own; see `executors.work`."""

    engine: str
    base: BaseRef
    trained: Path
    """What training made of it, verified."""
    root: Path
    """The repository, for a base model that lies in it."""
    cache: Path
    """Machine-wide cache of base models."""

    @property
    def step(self) -> Step:
        """The step it is a part of."""
        return "deploy"

    @property
    def crashes(self) -> Path:
        """Folder for tracebacks."""
        return self.cache / "crashes"

    def __call__(self, report: Report) -> None:
        """Verify the base model and load both.

        Raises:
            GituneError: when the base model is not what was released, or the two do not load.
        """
        from runner.inference.engine import ModelFiles, open_engine

        base = materialize(self.base, self.root, self.cache, report)
        open_engine(self.engine, ModelFiles.tuned(base, self.trained)).close()
