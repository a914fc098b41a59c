"""Gc and deployments: one waits or gives way, whoever comes first."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest
from world import World, fake_weights

from runner.errors import GituneError
from runner.executors import flights
from runner.executors.alone import alone
from runner.registry.facts import Lease
from runner.registry.registry import open_registry


@pytest.fixture
def world(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    monkeypatch.setattr(flights, "POLLS", (0.02, 0.1))
    return World(tmp_path)


def gc(world, told):
    """As from another machine."""
    registry = open_registry("registry/store", world.root, world.root / "cache2")
    return alone(registry, world.root / "cache2", told.append)


def test_a_deployment_waits_until_gc_is_done(world):
    world.apply(through="gate")
    outcomes = []
    with gc(world, []):
        thread = threading.Thread(target=lambda: outcomes.append(world.apply()[1]))
        thread.start()
        deadline = time.monotonic() + 30
        while world.registry.leases()[0].step != "deploy":
            assert time.monotonic() < deadline
            time.sleep(0.02)
        time.sleep(0.5)
        assert world.registry.version("bot", "1.0.0") is None
    thread.join(30)
    assert outcomes[0].deployment.version == "1.0.0"


def test_gc_gives_way_to_a_deployment_that_has_begun(world):
    now = datetime.now(UTC)
    begun = Lease(step="deploy", key="d" * 64, number=1, owner="x", host="far", pid=3, spec="bot", started=now)
    assert world.registry.add_lease(begun)
    with pytest.raises(GituneError, match="bot is being deployed") as refused, gc(world, []):
        raise AssertionError("it went on")
    assert "unlock deploy/dddddddddddd" in refused.value.hint
    assert [lease.step for lease in world.registry.leases()] == ["deploy"]
