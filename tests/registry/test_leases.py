"""Leases: of all who want a key one holds it, whoever is slow finds out, and the dead do not hold anything."""

from __future__ import annotations

import platform
import signal
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.registry.facts import Lease
from runner.registry.leases import Leases
from runner.registry.presence import is_gone, present
from runner.registry.store import open_store

KEY = "a" * 64
NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


def lease(number, owner="one", **fields):
    known = {"step": "train", "key": KEY, "host": "elsewhere", "pid": 7, "spec": "bot", "started": NOW}
    return Lease(number=number, owner=owner, **(known | fields))


@pytest.fixture
def leases(store, tmp_path):
    return Leases(store, tmp_path / "cache")


def test_of_two_who_take_a_number_one_wins(leases):
    assert leases.last("train", KEY) is None
    assert leases.add(lease(1))
    assert not leases.add(lease(1, "two"))
    assert leases.held("train", KEY) == lease(1)
    assert leases.add(lease(2, "two"))
    assert not leases.add(lease(2))
    assert leases.held("train", KEY).owner == "two"


def test_an_upload_that_is_tried_again_finds_itself(leases):
    assert leases.add(lease(1))
    assert leases.add(lease(1))


def test_what_has_ended_is_held_by_nobody_and_numbers_go_on(leases):
    leases.add(lease(1))
    leases.add(lease(2, released=True))
    assert leases.held("train", KEY) is None
    assert leases.all_held() == []
    assert leases.last("train", KEY).number == 2
    assert leases.add(lease(3, "two"))


def test_a_day_of_signs_of_life_leaves_one(leases, store):
    for number in range(1, 50):
        assert leases.add(lease(number))
    assert list(store.list("leases")) == [f"leases/train/{KEY}/00000049.json"]


def test_who_is_late_finds_its_free_number_overtaken(leases):
    """Number 2 is free again by the time that a slow taker writes it."""
    for number in (1, 2, 3, 4):
        leases.add(lease(number))
    assert not leases.add(lease(2, "slow"))
    assert leases.held("train", KEY) == lease(4)


def test_predictions_of_one_key_share_a_lease(leases):
    leases.add(lease(1, step="predict_base"))
    assert leases.held("predict_champion", KEY).owner == "one"
    assert leases.held("train", KEY) is None


def test_damaged_bytes_are_held_by_somebody(leases, store):
    store.create(f"leases/train/{KEY}/00000005.json", b"{")
    assert leases.held("train", KEY).number == 5
    assert leases.add(lease(6))


def test_names_from_the_store_cannot_reach_other_files(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "cache" / "running").mkdir(parents=True)
    assert not is_gone(tmp_path / "cache", "../../file")


def test_a_dead_process_of_this_machine_holds_nothing(store, tmp_path):
    """Known at once to who shares its cache, and to nobody else."""
    code = (
        "import sys, time; from pathlib import Path; from runner.registry.presence import present\n"
        "with present(Path(sys.argv[1]), 'one'): print(flush=True); time.sleep(60)"
    )
    cache = tmp_path / "cache"
    holder = subprocess.Popen([sys.executable, "-c", code, cache], stdout=subprocess.PIPE)
    holder.stdout.readline()
    leases = Leases(store, cache)
    leases.add(lease(1, host=platform.node()))
    holder.send_signal(signal.SIGSTOP)
    assert leases.held("train", KEY) is not None
    holder.kill()
    holder.wait()
    assert leases.held("train", KEY) is None
    assert Leases(store, tmp_path / "other").held("train", KEY) is not None
    leases.add(lease(2, host="another machine with this cache"))
    assert leases.held("train", KEY) is not None


def test_who_left_is_not_gone(tmp_path):
    with present(tmp_path, "one"):
        assert not is_gone(tmp_path, "one")
    assert not is_gone(tmp_path, "one")
    assert list((tmp_path / "running").iterdir()) == []


class Stepped:
    """A store that works one call at a time, in an order that a test chooses among those who wait to make one."""

    def __init__(self, store, turns):
        self._store, self._turns = store, turns
        self._waiting, self._changed = set(), threading.Condition()
        self._alive, self._turn = 0, None

    def run(self, *actors):
        threads = [threading.Thread(target=self._play, args=(actor,)) for actor in actors]
        self._alive = len(threads)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _play(self, actor):
        try:
            actor()
        finally:
            with self._changed:
                self._alive -= 1
                self._choose()

    def _choose(self):
        if self._turn is None and self._waiting and len(self._waiting) == self._alive:
            ready = sorted(self._waiting)
            self._turn = ready[next(self._turns, 0) % len(ready)]
            self._changed.notify_all()

    def local_path(self, key):
        return self._store.local_path(key)

    def __getattr__(self, name):
        def call(*arguments):
            me = threading.current_thread().name
            with self._changed:
                self._waiting.add(me)
                self._choose()
                self._changed.wait_for(lambda: self._turn == me)
                found = getattr(self._store, name)(*arguments)
                self._waiting.discard(me)
                self._turn = None
                return list(found) if name == "list" else found

        return call


@settings(max_examples=60)
@given(st.sampled_from(["folder", "memory:///"]), st.lists(st.integers(0, 2), max_size=120))
def test_nobody_holds_what_another_holds_in_any_order_of_calls(kind, turns):
    """Three claim, show life twice and release, twice over; calls to the store in any order, with their deletions."""
    with tempfile.TemporaryDirectory() as folder:
        store = Stepped(open_store(kind, Path(folder)), iter(turns))
        leases, holding, seen = Leases(store, Path(folder) / "cache"), set(), []

        def play(name):
            for _ in range(2):
                last = leases.last("train", KEY)
                if last is not None and not last.released:
                    continue
                number = last.number + 1 if last else 1
                if not leases.claim(lease(number, name)):
                    continue
                holding.add(name)
                seen.append(set(holding))
                kept = [leases.add(lease(number + beat, name)) for beat in (1, 2)]
                seen.append(kept == [True, True] and set(holding))
                holding.discard(name)
                leases.add(lease(number + 3, name, released=True))

        store.run(*(lambda name=name: play(name) for name in "abc"))
        assert seen
        assert all(holders and len(holders) == 1 for holders in seen)


@settings(max_examples=60)
@given(st.sampled_from(["folder", "memory:///"]), st.lists(st.integers(0, 3), max_size=60))
def test_of_several_takers_one_wins_and_the_holder_knows(kind, turns):
    with tempfile.TemporaryDirectory() as folder:
        store = Stepped(open_store(kind, Path(folder)), iter(turns))
        leases, won = Leases(store, Path(folder) / "cache"), []
        with_clock_off = lease(1, "holder", started=NOW + timedelta(hours=1))
        Leases(store._store, Path(folder)).add(with_clock_off)

        def take(name):
            if leases.add(lease(2, name)):
                won.append(name)

        store.run(*(lambda name=name: take(name) for name in ("holder", "x", "y", "z")))
        assert len(won) == 1
        assert Leases(store._store, Path(folder)).held("train", KEY).owner == won[0]


class Careless:
    """A store that looks whether a key is free and writes then, as some S3 servers do."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def create(self, key, data):
        if self._store.read(key) is not None:
            return False
        self._store.put_stream(key, [data])
        return True


@settings(max_examples=200)
@given(st.lists(st.integers(0, 2), max_size=60))
def test_one_at_most_claims_a_number_where_creating_is_not_atomic(turns):
    with tempfile.TemporaryDirectory() as folder:
        store = Stepped(open_store("memory:///", Path(folder)), iter(turns))
        leases, won = Leases(Careless(store), Path(folder) / "cache"), []

        def play(name):
            if leases.claim(lease(1, name)):
                won.append(name)
                leases.add(lease(2, name, released=True))

        store.run(*(lambda name=name: play(name) for name in "abc"))
    assert len(won) <= 1


def test_a_claim_leaves_no_door_behind(tmp_path):
    store = open_store("memory:///", tmp_path)
    leases = Leases(Careless(store), tmp_path / "cache")
    assert leases.claim(lease(1))
    assert not leases.claim(lease(1, "two"))
    assert leases.add(lease(2))
    assert list(store.list("leases")) == [f"leases/train/{KEY}/00000002.json"]
