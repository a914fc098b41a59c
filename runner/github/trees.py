"""A proposal's commit -> its files in a folder of their own, as data: nothing in them is ever run.

    with proposed_tree(repository_root, ["refs/pull/12/head"], sha, credentials) as folder: ...

Hooks and submodules stay off. A `.gitattributes` can only name filters that the machine's own configuration defines; of
those Git LFS would ask whom the proposal's `.lfsconfig` names, so it fetches nothing, as in the jobs that train.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from runner import git
from runner.errors import GituneError, TransientError

_SAFE = (
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "submodule.recurse=false",
    "-c",
    "core.symlinks=true",
    "-c",
    "advice.detachedHead=false",
)


def credentials(environ: Mapping[str, str], token: str) -> dict[str, str]:
    """Return variables by which git asks GitHub with a token; in no argument or file where others could read it."""
    server = environ.get("GITHUB_SERVER_URL", "https://github.com").rstrip("/")
    if urlsplit(server).scheme != "https":
        return {}
    header = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{server}/.extraheader",
        "GIT_CONFIG_VALUE_0": f"AUTHORIZATION: basic {header}",
        "GIT_TERMINAL_PROMPT": "0",
    }


def fetch(root: Path, refs: Sequence[str], variables: Mapping[str, str]) -> None:
    """Fetch references from `origin`; an unshallow history, for the base is where it left the other branch.

    Raises:
        TransientError: when they cannot be had.
    """
    deepen = ["--unshallow"] if _says(root, "rev-parse", "--is-shallow-repository") == "true" else []
    arguments = [*_SAFE, "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", *deepen, "origin", *refs]
    done = git.call_git(root, arguments, variables=variables)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise TransientError(f"git cannot fetch {', '.join(refs)}: {' '.join(said)[:300]}", hint="run again")


@contextmanager
def proposed_tree(root: Path, ref: str, sha: str, variables: Mapping[str, str]) -> Iterator[Path]:
    """Check a proposal's commit out into a folder of its own until the block ends.

    Args:
        root: a clone of the base repository.
        ref: what to fetch, such as `refs/pull/12/head`.
        sha: the commit that must lie there.
        variables: of `credentials`.

    Raises:
        GituneError: when another commit lies there by now, or it cannot be written.
        TransientError: when it cannot be fetched.
    """
    fetch(root, [ref], variables)
    found = _says(root, "rev-parse", "FETCH_HEAD")
    if found != sha:
        raise GituneError(f"{ref} is {found[:12]} by now and not {sha[:12]}", hint="its own run will look at it")
    with tempfile.TemporaryDirectory(prefix="gitune-proposal-") as folder:
        tree = Path(folder) / "tree"
        try:
            _call(root, "worktree", "add", "--quiet", "--detach", str(tree), sha)
            yield tree
        finally:
            git.call_git(root, ["worktree", "remove", "--force", str(tree)])


def _call(root: Path, *arguments: str) -> None:
    done = git.call_git(root, [*_SAFE, *arguments], variables={"GIT_LFS_SKIP_SMUDGE": "1"})
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        raise GituneError(f"git {arguments[0]} {arguments[1]} failed: {said}")


def _says(root: Path, *arguments: str) -> str:
    return git.call_git(root, arguments).stdout.decode(errors="replace").strip()
