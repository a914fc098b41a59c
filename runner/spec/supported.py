"""Values that the spec format knows but this release cannot run yet.

The format is ahead of the tool on purpose: a spec says what its owner wants, and a release says which of it it can do,
in one place. Deepening a part of Gitune ends with removing its line here.
"""

from __future__ import annotations

from collections.abc import Mapping

from runner import __version__
from runner.errors import Problem
from runner.spec.document import Document

# Key path -> what this release can run; defaults are always among it.
AVAILABLE: Mapping[str, tuple[str | int, ...]] = {
    "backend": ("local",),
    "engine": ("llama_cpp", "transformers"),
}


def unsupported(document: Document) -> list[tuple[str, Problem]]:
    """Return a problem for every value of the spec that this release cannot run."""
    findings = []
    for path, available in AVAILABLE.items():
        value = document.at(path)
        # Values of another kind, such as a list, are no values of the format at all: validation tells.
        if type(value) is type(available[0]) and value not in available:
            message = f"`{path}: {value}` is not available in gitune {__version__}"
            hint = f"available: {', '.join(str(choice) for choice in available)}"
            findings.append((path, Problem(message, document.where(path), hint)))
    return findings
