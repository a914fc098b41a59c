"""Single flight: who works, who waits, and what becomes of a holder that falls silent."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from runner.executors import flights
from runner.executors.crew import StoppedError
from runner.executors.flights import Flights, Watch
from runner.registry.facts import Lease
from runner.registry.registry import open_registry

KEY = "a" * 64


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(flights, "POLLS", (0.02, 0.1))


@pytest.fixture
def registry(tmp_path):
    return open_registry("store", tmp_path, tmp_path / "cache")


@pytest.fixture
def other(tmp_path):
    """The same store from another machine, on which no process of ours shows that it lives."""
    return open_registry("store", tmp_path, tmp_path / "other")


def flight(registry, tmp_path, **options):
    return Flights(registry, tmp_path / "cache", threading.Event(), **({"beat": 0.05, "ttl": 0.6} | options))


def claim(flights, told, name="bot"):
    return flights.claim("train", KEY, name, told.append)


def foreign(number=1, **fields):
    known = {"step": "train", "key": KEY, "owner": "x", "host": "far", "pid": 3, "spec": "bot"}
    # Their clock is an hour ahead; nobody may care.
    return Lease(number=number, started=datetime.now(UTC) + timedelta(hours=1), **(known | fields))


def test_the_second_waits_and_then_looks_again(registry, other, tmp_path):
    told, seen = [], []

    def second():
        with claim(flight(other, tmp_path / "other"), told) as mine:
            seen.append((mine, time.monotonic()))

    with claim(flight(registry, tmp_path), []) as mine:
        assert mine
        thread = threading.Thread(target=second)
        thread.start()
        # Far longer than the time to live: it shows that it is alive.
        time.sleep(1.5)
        assert not seen
        ended = time.monotonic()
    thread.join()
    assert seen[0][0] is False
    assert seen[0][1] >= ended
    assert "another run is at it" in told[0]
    assert f"`gitune registry unlock train/{KEY[:12]}`" in told[0]
    assert registry.lease("train", KEY) is None


def test_a_silent_holder_is_replaced(registry, tmp_path):
    registry.add_lease(foreign())
    started = time.monotonic()
    with claim(flight(registry, tmp_path), []) as mine:
        assert mine
        assert registry.lease("train", KEY).owner != "x"
    assert time.monotonic() - started >= 0.6


def test_a_holder_that_was_replaced_knows_and_writes_no_more(registry, tmp_path):
    with claim(flight(registry, tmp_path), []):
        last = registry.last_lease("train", KEY)
        while not registry.add_lease(foreign(last.number + 1)):
            last = registry.last_lease("train", KEY)
        time.sleep(0.3)
        assert registry.last_lease("train", KEY).owner == "x"
    # Its end is not the end of the other's.
    assert registry.lease("train", KEY).owner == "x"


def test_specs_of_one_apply_wait_for_each_other(registry, tmp_path):
    ours, order, told = flight(registry, tmp_path), [], []

    def work(name):
        with claim(ours, told, name) as mine:
            order.append((name, mine))
            time.sleep(0.2)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(mine for _, mine in order) == [False, True]
    assert told == ["another spec of this apply is at it"]


def test_waiting_ends_with_the_apply(registry, tmp_path):
    registry.add_lease(foreign())
    stop = threading.Event()
    threading.Timer(0.2, stop.set).start()
    with pytest.raises(StoppedError), claim(Flights(registry, tmp_path / "cache", stop), []):
        pass


def test_time_in_which_the_observer_stood_still_does_not_count():
    now = [0.0]
    watch = Watch(clock=lambda: now[0])
    watch.look(foreign())
    now[0] += 3600
    assert watch.look(foreign()) <= 1
    for _ in range(100):
        now[0] += 0.1
        quiet = watch.look(foreign())
    assert quiet >= 10
    assert watch.look(foreign(2)) == 0


def test_a_store_out_of_reach_does_not_end_the_work(registry, tmp_path, monkeypatch):
    from runner.errors import RegistryError

    real = registry.add_lease
    with claim(flight(registry, tmp_path), []) as mine:
        assert mine
        before = registry.last_lease("train", KEY).number

        def unreachable(_):
            raise RegistryError("no route")

        monkeypatch.setattr(registry, "add_lease", unreachable)
        time.sleep(0.2)
        monkeypatch.setattr(registry, "add_lease", real)
        time.sleep(0.2)
        assert registry.last_lease("train", KEY).number > before
    assert registry.lease("train", KEY) is None
