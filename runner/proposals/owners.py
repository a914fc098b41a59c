"""CODEOWNERS of the base branch -> who owns a path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner import git
from runner.errors import GituneError

if TYPE_CHECKING:
    from codeowners import CodeOwners

FILES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS")
"""Where forges look for it; the first that is there counts."""

_COMMENT = re.compile(r"(?:^|\s)#.*")


class Owners:
    """Code owners by path, in GitHub's syntax: the last pattern that matches decides.

    As GitHub does, it skips what is no rule there: comments behind a rule, negations, ranges and GitLab's sections.
    """

    def __init__(self, text: str) -> None:
        lines = (_COMMENT.sub("", line).strip() for line in text.splitlines())
        self._text = "\n".join(line for line in lines if line and not _is_skipped(line))
        self._rules: CodeOwners | None = None

    def of(self, path: str) -> Sequence[str]:
        """Return a path's owners, such as `@ada`, `@org/team` or an e-mail address; none where nobody is named."""
        if self._rules is None:
            # Late: most proposals touch nothing that needs an owner.
            try:
                from codeowners import CodeOwners
            except ModuleNotFoundError as error:
                hint = "pip install 'gitune[github]'"
                raise GituneError(
                    "CODEOWNERS needs the package codeowners, which is not installed", hint=hint
                ) from error
            self._rules = CodeOwners(self._text)
        return tuple(owner for _, owner in self._rules.of(path))


def _is_skipped(line: str) -> bool:
    pattern = line.split(maxsplit=1)[0]
    return pattern.startswith("!") or "[" in pattern or "]" in pattern


def owners_at(root: Path, commit: str) -> Owners:
    """Read the owners as a commit names them; nobody owns anything where it has no such file."""
    found = (git.show(root, commit, file) for file in FILES)
    return Owners(next((data.decode(errors="replace") for data in found if data is not None), ""))
