"""Many released versions in one registry: copies, under other names and numbers, of one that an apply released.

python benchmarks/planning/versions.py FOLDER COUNT
"""

from __future__ import annotations

import sys
from pathlib import Path

from repository import build

from runner.registry.registry import open_registry

EACH = 100
"""Versions of a name."""

if __name__ == "__main__":
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    build(folder, 1)
    registry = open_registry("registry/store", folder, folder / "cache")
    (version,) = registry.versions("item-0000")
    for number in range(1, count):
        other = {"name": f"item-{number // EACH:04}", "version": f"1.{number % EACH}.0"}
        registry.release(version.model_copy(update=other))
