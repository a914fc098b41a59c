"""A committed world in which verbs are run as from a command line: `run(world, "plan")` returns the exit code."""

from __future__ import annotations

import subprocess

import pytest
from world import World, fake_weights

from runner.cli.main import main


def committed_world(root, monkeypatch) -> World:
    fake_weights(monkeypatch)
    monkeypatch.setenv("GITUNE_CACHE", str(root / "cache"))
    world = World(root)
    world.write()
    (root / ".gitignore").write_text("registry/store/\ncache/\n")
    git(world, "init", "--quiet", "--initial-branch", "main")
    commit(world, "first")
    return world


def git(world: World, *arguments: str) -> None:
    identity = ["-c", "user.name=T", "-c", "user.email=t@example.invalid"]
    subprocess.run(["git", *identity, *arguments], cwd=world.root, check=True, capture_output=True)


def commit(world: World, message: str) -> None:
    world.write()
    git(world, "add", ".")
    git(world, "commit", "--quiet", "--message", message)


def run(world: World, *arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["-C", str(world.root), *arguments])
    return end.value.code
