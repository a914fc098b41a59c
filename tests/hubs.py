"""A developer's clone of the repository behind the GitHub of our tests, and a job's connection to that."""

from __future__ import annotations

import subprocess
from pathlib import Path

from github_server import GitHubServer

from runner.github.connection import Connection, connect

IDENTITY = ["-c", "user.name=bob", "-c", "user.email=bob@example.invalid"]


class Clone:
    """A working copy of the repository behind the hub."""

    def __init__(self, root: Path):
        self.root = root

    def git(self, *arguments: str) -> str:
        command = ["git", *IDENTITY, *arguments]
        return subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True).stdout.strip()

    def push(self, branch: str, **files: str) -> str:
        """Commit files on top of main, push them to a branch, and return the commit."""
        self.git("checkout", "--quiet", "-B", branch, "origin/main")
        for name, text in files.items():
            (self.root / name).write_text(text)
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", f"change {branch}")
        self.git("push", "--quiet", "--force", "origin", branch)
        return self.git("rev-parse", "HEAD")


def make_clone(folder: Path) -> Clone:
    """Make the bare repository `app.git` and a clone with one commit."""
    remote = folder / "app.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch", "main", str(remote)], check=True)
    (folder / "clone").mkdir()
    made = Clone(folder / "clone")
    made.git("init", "--quiet", "--initial-branch", "main")
    made.git("remote", "add", "origin", str(remote))
    (made.root / "README.md").write_text("hello\n")
    made.git("add", ".")
    made.git("commit", "--quiet", "--message", "first")
    made.git("push", "--quiet", "origin", "main")
    made.git("fetch", "--quiet")
    return made


def as_job(hub: GitHubServer, **permissions: str) -> Connection:
    """Connect with a GITHUB_TOKEN; `pull_requests="write"` is a permission."""
    named = {name.replace("_", "-"): level for name, level in permissions.items()}
    return connect(hub.environ("push", {}, hub.token(named)))


def as_app(hub: GitHubServer, slug: str = "gitune", **permissions: str) -> Connection:
    """Connect with the installation token of an App."""
    named = {name.replace("_", "-"): level for name, level in permissions.items()}
    return connect(hub.environ("push", {}, hub.token({}), hub.token(named, app=slug)))


def writes(hub: GitHubServer) -> int:
    """How often anything was written."""
    return len([one for one in hub.requests if one.method != "GET" and one.status < 300])
