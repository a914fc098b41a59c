"""Several at a time: in order, within the machine's limits, and ended when a person says so."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time

import pytest
import yaml
from world import FakeEngine, Silent, World, fake_weights

from runner.executors.crew import StoppedError, work_through
from runner.executors.limits import Limits, Need
from runner.executors.local import LocalExecutor
from runner.progress import silent
from runner.reconcile import Reconciler, apply_plan


def nothing():
    pass


def test_one_at_a_time_keeps_the_order():
    done = []
    work_through(range(5), done.append, 1, nothing)
    assert done == [0, 1, 2, 3, 4]


def test_so_many_at_a_time_and_no_more():
    running, most, lock = set(), [], threading.Lock()

    def work(item):
        with lock:
            running.add(item)
            most.append(len(running))
        time.sleep(0.05)
        with lock:
            running.discard(item)

    work_through(range(9), work, 3, nothing)
    assert max(most) == 3


def test_what_breaks_down_ends_everything():
    done, stopped = [], []

    def work(item):
        if item == 1:
            raise ZeroDivisionError
        done.append(item)

    with pytest.raises(ZeroDivisionError):
        work_through(range(5), work, 1, lambda: stopped.append(1))
    assert (done, stopped) == ([0], [1])


def test_an_interruption_stops_what_runs_and_starts_nothing_new():
    stop, started, ended = threading.Event(), [], []

    def work(item):
        started.append(item)
        assert stop.wait(20)
        ended.append(item)

    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        work_through(range(5), work, 2, stop.set)
    assert started == [0, 1]
    assert sorted(ended) == [0, 1]


def test_a_second_interruption_waits_for_nothing():
    over = threading.Event()
    for seconds in (0.2, 0.5):
        threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        work_through([0], lambda _: over.wait(20), 1, nothing)
    assert time.monotonic() - began < 5
    over.set()


@pytest.mark.parametrize(
    ("one", "two", "together"),
    [
        (Need(60), Need(60), False),
        (Need(60), Need(40), True),
        (Need(200), Need(1), False),
        (Need(200), Need(0), True),
        (Need(0, gpu=True), Need(0, gpu=True), False),
        (Need(0, gpu=True), Need(60), True),
    ],
)
def test_what_fits_side_by_side(one, two, together):
    limits, told, entered = Limits(100, threading.Event()), [], threading.Event()

    def second():
        with limits.room(two, told.append):
            entered.set()

    thread = threading.Thread(target=second)
    with limits.room(one, told.append):
        thread.start()
        assert entered.wait(0.3) is together
    thread.join()
    assert entered.is_set()
    assert bool(told) is not together


def test_models_are_loaded_for_a_deployment_only_where_there_is_room(tmp_path, monkeypatch):
    """Two specs pass their gates at the same time, and one base model fills the machine."""
    loaded, most = [0], [0]

    class Heavy(FakeEngine):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            loaded[0] += 1
            most[0] = max(most[0], loaded[0])
            time.sleep(0.2)

        def close(self):
            loaded[0] -= 1

    fake_weights(monkeypatch)
    world = World(tmp_path)
    world.write()
    shutil.copytree(tmp_path / "specs/bot", tmp_path / "specs/other")
    (tmp_path / "specs/other/spec.yaml").write_text(yaml.safe_dump(world.spec | {"name": "other"}))
    world.apply_all(through="gate")
    monkeypatch.setattr("runner.inference.engine.open_engine", Heavy)
    monkeypatch.setattr("runner.executors.local.main_memory", lambda: 1)
    plan, subjects = world.plan(), world.subjects()
    executor = LocalExecutor(world.registry, tmp_path / "cache", silent, parallel=2)
    loop = Reconciler(world.registry, executor, world.delivery(), Silent())
    outcomes = apply_plan(plan, subjects, loop, parallel=2)
    assert [outcome.ran for outcome in outcomes] == [["deploy"], ["deploy"]]
    assert most == [1]


def test_waiting_for_room_ends_with_the_apply():
    stop = threading.Event()
    limits = Limits(100, stop)
    with limits.room(Need(80), print):
        threading.Timer(0.2, stop.set).start()
        with pytest.raises(StoppedError), limits.room(Need(80), print):
            pass
