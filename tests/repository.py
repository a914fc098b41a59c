"""The world of `world.py` as a git repository, and the command line run in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from world import World, fake_weights

from runner.cli.main import main


def git(world: World, *arguments: str) -> str:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.invalid"]
    done = subprocess.run(["git", *identity, *arguments], cwd=world.root, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(world: World, message: str) -> str:
    """Write the world, commit all of it and return the commit."""
    world.write()
    git(world, "add", "--all", ".")
    git(world, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(world, "rev-parse", "HEAD")


def make_repository(world: World) -> str:
    """Make the world's folder a repository with one commit on main, and return that."""
    world.write()
    (world.root / ".gitignore").write_text("registry/store/\ncache/\n*.plan\n")
    git(world, "init", "--quiet", "--initial-branch", "main")
    return commit(world, "first")


def committed_world(root: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Make a world under a folder, with one commit, a cache of its own and fakes for weights."""
    fake_weights(monkeypatch)
    monkeypatch.setenv("GITUNE_CACHE", str(root / "cache"))
    world = World(root)
    make_repository(world)
    return world


def run(world: World, *arguments: str) -> int:
    """Run a verb in the world and return its exit code."""
    with pytest.raises(SystemExit) as end:
        main(["-C", str(world.root), *arguments])
    return end.value.code
