"""registry/config.yaml, as every verb must read it: the one that lies here, or that of the base branch.

A pull request may change the file. What programs run, who receives a key, what gates must ask for and where results go
must not be its choice: its CI sets GITUNE_CONFIG_FROM.
"""

from __future__ import annotations

import os
from pathlib import Path

from runner import git
from runner.errors import UsageError
from runner.plan.base_config import config_of
from runner.spec.config import CONFIG_FILE, Config, load_config
from runner.spec.known import KnownDocuments

CONFIG_FROM = "GITUNE_CONFIG_FROM"
"""Environment variable that names a branch or commit."""


def read_config(root: Path, known: KnownDocuments | None = None) -> Config:
    """Read the configuration; without the file everything has its default.

    Args:
        root: the repository.
        known: documents that were parsed before.

    Raises:
        UsageError: when there is no such commit here.
        SpecError: with everything that is wrong with the file.
    """
    ref = os.environ.get(CONFIG_FROM)
    return config_at(root, ref) if ref else load_config(root, known)


def config_at(root: Path, ref: str) -> Config:
    """Read the configuration of a branch or commit; without the file everything has its default.

    Raises:
        UsageError: when there is no such commit here.
        SpecError: with everything that is wrong with the file.
    """
    commit = git.resolve_commit(root, ref)
    if commit is None:
        raise UsageError(f"there is no commit {ref} here to read {CONFIG_FILE} from", hint="fetch it first")
    return config_of(root, commit, ref)
