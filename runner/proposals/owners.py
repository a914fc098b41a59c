"""CODEOWNERS of the base branch -> who owns a path."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner import git

if TYPE_CHECKING:
    from codeowners import CodeOwners

FILES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
"""Where forges look for it; the first that is there counts."""


class Owners:
    """Code owners by path, in GitHub's syntax: the last pattern that matches decides."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._rules: CodeOwners | None = None

    def of(self, path: str) -> Sequence[str]:
        """Return a path's owners, such as `@ada`, `@org/team` or an e-mail address; none where nobody is named."""
        if self._rules is None:
            # Late: most proposals touch nothing that needs an owner.
            from codeowners import CodeOwners

            self._rules = CodeOwners(self._text)
        return tuple(owner for _, owner in self._rules.of(path))


def owners_at(root: Path, commit: str) -> Owners:
    """Read the owners as a commit names them; nobody owns anything where it has no such file."""
    found = (git.show(root, commit, file) for file in FILES)
    return Owners(next((data.decode(errors="replace") for data in found if data is not None), ""))
