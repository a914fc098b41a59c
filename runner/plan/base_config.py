"""registry/config.yaml of the base branch, with the programs that it names: what a proposal may not choose.

A program runs where a pull request is judged, beside credentials. So not only its name comes from the base branch, but
its files and whatever lies around it, which it might import.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from runner import git
from runner.evaluation.outside import command_paths
from runner.spec.config import CONFIG_FILE, Config, parse_config


def config_of(root: Path, commit: str, name: str) -> Config:
    """Read the configuration of a commit; without the file everything has its default.

    Args:
        root: the repository.
        commit: its full hash.
        name: what errors call it.

    Raises:
        SpecError: with everything that is wrong with the file.
        GituneError: when git lacks a file of the commit.
    """
    data = git.show(root, commit, CONFIG_FILE)
    config = Config() if data is None else parse_config(data, f"{name}:{CONFIG_FILE}")
    return config.with_programs(_files(root, commit, tuple(command_paths(config)))) if config.metrics else config


@cache
def _files(root: Path, commit: str, named: tuple[str, ...]) -> Path:
    """Write a commit's files to a folder that is gone with this process; of specs only what programs name."""
    folder = Path(tempfile.mkdtemp(prefix="gitune-programs-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    blobs = git.list_blobs(root, commit, ["."])
    wanted = {path: blob for path, blob in blobs.items() if not path.startswith("specs/") or path in named}
    git.write_blobs(root, wanted, folder)
    return folder
