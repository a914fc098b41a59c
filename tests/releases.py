"""A committed world with released versions, whose models are loaded by the fakes."""

from __future__ import annotations

from repository import commit, committed_world, git, run
from world import World


def signed_world(root, monkeypatch) -> World:
    """Return a committed world in which git knows who works, and no workflow is about."""
    for name in ("GITHUB_ACTOR", "GITUNE_NAMESPACE", "GITHUB_TOKEN", "GITUNE_APP_TOKEN", "GITUNE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    world = committed_world(root, monkeypatch)
    git(world, "config", "user.name", "T")
    git(world, "config", "user.email", "t@example.invalid")
    monkeypatch.setattr("runner.rollback.verify.run_apart", lambda work, report, *_: work(report))
    return world


def release(world: World, version: str) -> str:
    """Commit and apply a version with a training and a data file of its own; return its commit."""
    number = int(version.split(".")[1])
    world.spec["version"] = version
    world.spec["training"]["learning_rate"] = (number + 1) / 1000
    world.files[f"data/new{number}.jsonl"] = [200 + number]
    made = commit(world, version)
    assert run(world, "apply", "--yes") == 0
    return made


def blobs_of(world: World, version: str) -> list:
    """Return the files in the store that a version's weights are made of."""
    folder = world.registry.fetch(world.registry.version("bot", version).content.adapter)
    digests = [world.registry.put_file(file).digest for file in folder.iterdir()]
    return [world.root / "registry/store/blobs/sha256" / digest[:2] / digest[2:] for digest in digests]


def flip(file) -> None:
    """Damage a file without changing its size."""
    file.chmod(0o644)
    data = file.read_bytes()
    file.write_bytes(bytes([data[0] ^ 1]) + data[1:])
