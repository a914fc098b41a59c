"""Where a verb works: the repository around a folder, and the machine's cache. Light, for verbs that must be quick."""

from __future__ import annotations

import os
from pathlib import Path

from runner.errors import UsageError


def cache_folder() -> Path:
    """Return the machine-wide cache: GITUNE_CACHE, else the XDG cache folder."""
    if chosen := os.environ.get("GITUNE_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gitune"


def find_root(start: Path) -> Path:
    """Return the nearest folder at or above `start` that has a `specs/` folder.

    Raises:
        UsageError: when there is none.
    """
    here = start.resolve()
    for folder in (here, *here.parents):
        if (folder / "specs").is_dir():
            return folder
    raise UsageError(
        f"{here} is not in a Gitune repository: no specs/ folder here or above",
        hint="use -C DIR, or make one: `gitune init`",
    )
