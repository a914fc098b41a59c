"""The server against a real registry: a broken chain is refused, and the old version goes on answering."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from world import World, fake_weights

from runner.serving.engines import loader
from runner.serving.follow import Follower


class Engine:
    def close(self):
        pass


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    monkeypatch.setattr("runner.serving.engines.materialize", lambda ref, *_: ref)
    monkeypatch.setattr("runner.serving.engines.open_engine", lambda *_: Engine())
    monkeypatch.setattr("runner.serving.engines.ModelFiles", SimpleNamespace(tuned=lambda *_: None))
    return World(tmp_path)


def damage(world, pattern, old=None, new=None):
    (path,) = (world.root / "registry/store").glob(pattern)
    text = path.read_text()
    path.unlink()
    if old is not None:
        assert old in text
        path.write_text(text.replace(old, new))


def lose_adapter(world):
    digest = world.registry.version("bot", "1.1.0").content.adapter.digest
    damage(world, f"blobs/sha256/{digest[:2]}/{digest[2:]}")


DAMAGE = [
    (lambda w: damage(w, "versions/bot/1.1.0.json", '"champion": "1.0.0"', '"champion": null'), "is not the file"),
    (lambda w: damage(w, "deployments/bot/production/00000001.json"), "entry 1 is missing"),
    (lambda w: damage(w, "deployments/*/*/00000002.json", '"target": "server"', '"target": "x"'), "entry 2 was edited"),
    (lambda w: damage(w, "records/prepare/*/1.json", '"label"', '"table"'), "the record of prepare"),
    (lose_adapter, "is missing"),
]


def test_a_forged_undeployment_stops_nothing(world):
    follower = Follower(world.registry, loader(world.registry, world.root, world.root / "cache"))
    world.apply()
    follower.poll()
    log = world.root / "registry/store/deployments/bot/production"
    entry = json.loads((log / "00000001.json").read_text())
    (log / "00000002.json").write_text(json.dumps({**entry, "number": 2, "version": None, "previous": "1.0.0"}))
    follower.poll()
    assert [live.version.version for live in follower.live()] == ["1.0.0"]
    assert "proof is broken" in follower.troubles()[0].message


@pytest.mark.parametrize(("act", "why"), DAMAGE)
def test_a_broken_chain_is_refused(world, act, why):
    follower = Follower(world.registry, loader(world.registry, world.root, world.root / "cache"))
    world.apply()
    follower.poll()
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.1.0", 0.002
    world.apply()
    act(world)
    follower.poll()
    assert [live.version.version for live in follower.live()] == ["1.0.0"]
    (trouble,) = follower.troubles()
    assert why in trouble.message
