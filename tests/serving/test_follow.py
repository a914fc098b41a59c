"""The follower keeps what is deployed loaded, and drops nothing while it changes."""

from __future__ import annotations

import threading

import pytest

from runner.models.base import BaseFiles
from runner.serving.engines import loader
from runner.serving.follow import Follower


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def follower(shelf, clock):
    return Follower(shelf, shelf.load, clock=clock)


def live(follower):
    return [f"{one.deployment.name}/{one.deployment.alias}@{one.version.version}" for one in follower.live()]


def test_loads_what_is_deployed_and_swaps_to_the_next_entry(shelf, follower):
    follower.poll()
    assert live(follower) == []
    shelf.deploy("triage", "1.0.0")
    follower.poll()
    assert live(follower) == ["triage/production@1.0.0"]
    shelf.deploy("triage", "1.1.0")
    follower.poll()
    assert live(follower) == ["triage/production@1.1.0"]
    assert [engine.closed for engine in shelf.opened] == [True, False]


def test_nothing_new_loads_nothing(shelf, follower):
    shelf.deploy("triage", "1.0.0")
    for _ in range(3):
        follower.poll()
    assert len(shelf.opened) == 1


def test_a_leased_version_stays_open_until_its_request_ends(shelf, follower):
    shelf.deploy("triage", "1.0.0")
    follower.poll()
    old = shelf.opened[0]
    with follower.lease("triage") as first, follower.lease("triage"):
        shelf.deploy("triage", "1.1.0")
        follower.poll()
        assert first.version.version == "1.0.0"
        assert not old.closed
        with follower.lease("triage") as second:
            assert second.version.version == "1.1.0"
    assert old.closed


def test_what_is_undeployed_ends_when_its_request_does_and_can_come_back(shelf, follower):
    shelf.deploy("triage", "1.0.0")
    shelf.deploy("legal", "1.0.0")
    follower.poll()
    with follower.lease("triage") as held:
        shelf.undeploy("triage")
        follower.poll()
        assert live(follower) == ["legal/production@1.0.0"]
        with follower.lease("triage") as other:
            assert other is None
        assert held.version.version == "1.0.0"
        assert not held.engine.closed
    assert held.engine.closed
    assert follower.troubles() == []
    shelf.deploy("triage", "1.0.0")
    follower.poll()
    assert live(follower) == ["legal/production@1.0.0", "triage/production@1.0.0"]


def test_undeploying_the_last_one_is_no_trouble(shelf, follower):
    shelf.deploy("triage", "1.0.0")
    follower.poll()
    shelf.undeploy("triage")
    follower.poll()
    assert (live(follower), follower.troubles()) == ([], [])


def test_a_version_that_never_loaded_is_no_trouble_once_undeployed(shelf, follower):
    shelf.broken["triage-1.0.0"] = "damaged"
    shelf.deploy("triage", "1.0.0")
    follower.poll()
    assert len(follower.troubles()) == 1
    shelf.undeploy("triage")
    follower.poll()
    assert follower.troubles() == []


def test_equal_weights_share_one_engine(shelf, follower):
    shelf.deploy("triage", "1.0.0", adapter="same")
    shelf.deploy("triage", "1.0.1", alias="staging", adapter="same", prompt="Another prompt.")
    shelf.deploy("triage", "1.0.2", alias="reference", adapter="same", engine="transformers")
    follower.poll()
    assert len(shelf.opened) == 2
    shelf.deploy("triage", "2.0.0")
    follower.poll()
    assert [engine.closed for engine in shelf.opened] == [False, False, False]
    shelf.deploy("triage", "2.0.0", alias="staging")
    follower.poll()
    assert [engine.closed for engine in shelf.opened] == [True, False, False]
    assert len(shelf.opened) == 3


def test_another_chat_template_is_another_engine(shelf, follower):
    shelf.deploy("triage", "1.0.0", adapter="same")
    shelf.deploy("triage", "1.0.1", alias="staging", adapter="same", template="{{ messages }}")
    follower.poll()
    assert len(shelf.opened) == 2


def test_the_loader_opens_a_version_with_its_own_template(shelf, tmp_path, monkeypatch):
    shelf.deploy("triage", "1.0.0", template="{{ messages }}")
    opened = []
    monkeypatch.setattr("runner.serving.engines.materialize", lambda ref, *_: BaseFiles(ref, tmp_path, None))
    monkeypatch.setattr("runner.serving.engines.open_engine", lambda _, model: opened.append(model))
    shelf.fetch = lambda artifact: tmp_path
    loader(shelf, tmp_path, tmp_path)(shelf.version("triage", "1.0.0"))
    assert opened[0].base.ref.chat_template == "{{ messages }}"


def test_what_cannot_be_loaded_leaves_the_old_version_and_is_retried_ever_later(shelf, follower, clock, caplog):
    shelf.deploy("triage", "1.0.0")
    follower.poll()
    shelf.deploy("triage", "1.1.0")
    shelf.broken["triage-1.1.0"] = "adapter.gguf is damaged"
    waits = []
    for attempt in range(1, 11):
        follower.poll()
        follower.poll()  # too early: nothing is tried
        (trouble,) = follower.troubles()
        assert (trouble.attempts, trouble.message) == (attempt, "adapter.gguf is damaged")
        waits.append(trouble.retry_at - clock.now)
        clock.now = trouble.retry_at
    assert waits[:3] == [1, 2, 4]
    assert waits[-1] == 60
    assert live(follower) == ["triage/production@1.0.0"]
    assert not shelf.opened[0].closed
    assert "cannot load triage@1.1.0 (production)" in caplog.text
    shelf.broken.clear()
    follower.poll()
    assert live(follower) == ["triage/production@1.1.0"]
    assert follower.troubles() == []


def test_a_revert_does_not_wait_for_the_retry_of_the_broken_version(shelf, follower):
    shelf.deploy("triage", "1.0.0")
    follower.poll()
    shelf.broken["triage-1.1.0"] = "damaged"
    shelf.deploy("triage", "1.1.0")
    follower.poll()
    shelf.deploy("triage", "1.0.0")
    follower.poll()
    assert follower.troubles() == []
    assert (live(follower), len(shelf.opened)) == (["triage/production@1.0.0"], 1)


def test_one_broken_model_does_not_hold_up_another(shelf, follower):
    shelf.broken["bad-1.0.0"] = "damaged"
    shelf.deploy("bad", "1.0.0")
    shelf.deploy("good", "1.0.0")
    follower.poll()
    assert live(follower) == ["good/production@1.0.0"]


def test_a_deployment_without_a_version_is_told(shelf, follower):
    shelf.deploy("triage", "1.0.0")
    shelf.versions.clear()
    follower.poll()
    assert "no such version" in follower.troubles()[0].message


@pytest.mark.parametrize("outage", ["unreachable", "emptied"])
def test_a_store_that_goes_missing_undeploys_nothing(shelf, follower, outage):
    shelf.deploy("triage", "1.0.0")
    follower.poll()
    log, shelf.log = shelf.log, {}
    if outage == "unreachable":
        shelf.broken["registry"] = "no route to host"
    follower.poll()
    assert live(follower) == ["triage/production@1.0.0"]
    assert len(follower.troubles()) == 1
    shelf.log = log
    shelf.broken.clear()
    follower.poll()
    assert follower.troubles() == []


def test_what_is_no_longer_deployed_is_let_go(shelf, follower):
    shelf.deploy("triage", "1.0.0")
    shelf.deploy("legal", "1.0.0")
    follower.poll()
    del shelf.log["triage", "production"]
    follower.poll()
    assert live(follower) == ["legal/production@1.0.0"]
    assert [engine.closed for engine in shelf.opened] == [True, False]


def test_closing_lets_a_request_in_flight_end(shelf, follower):
    shelf.deploy("triage", "1.0.0")
    follower.poll()
    with follower.lease("triage"):
        follower.close()
        assert not shelf.opened[0].closed
        with follower.lease("triage") as late:
            assert late is None
    assert shelf.opened[0].closed


def test_follows_in_the_background_and_tells_of_every_swap(shelf, eventually):
    told = []
    shelf.deploy("triage", "1.0.0")
    with Follower(shelf, shelf.load, 0.01, on_swap=lambda new, old: told.append((new, old))) as follower:
        eventually(lambda: len(told) == 1)
        shelf.broken["registry"] = "gone for a moment"
        eventually(follower.troubles)
        shelf.broken.clear()
        shelf.deploy("triage", "1.1.0")
        eventually(lambda: len(told) == 2)
    assert [(new.version.version, old and old.version.version) for new, old in told] == [
        ("1.0.0", None),
        ("1.1.0", "1.0.0"),
    ]
    assert all(engine.closed for engine in shelf.opened)


def test_many_requests_over_many_swaps_never_meet_a_closed_engine(shelf):
    shelf.deploy("triage", "1.0.0")
    follower = Follower(shelf, shelf.load)
    follower.poll()
    done, failures, served = threading.Event(), [], []

    def ask():
        while not done.is_set():
            with follower.lease("triage") as held:
                try:
                    served.append(held.engine.chat({"messages": [{"content": "hi"}]}))
                except AssertionError as error:
                    failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for minor in range(1, 60):
        shelf.deploy("triage", f"1.{minor}.0")
        follower.poll()
    done.set()
    for thread in threads:
        thread.join()
    assert not failures
    assert served
    assert [engine.closed for engine in shelf.opened] == [True] * 59 + [False]


def test_a_version_whose_proof_is_broken_is_not_loaded(shelf, follower):
    shelf.deploy("triage", "1.0.0")
    follower.poll()
    shelf.faults["triage", "1.1.0"] = "entry 2 was edited after it was written"
    shelf.deploy("triage", "1.1.0")
    follower.poll()
    assert live(follower) == ["triage/production@1.0.0"]
    (trouble,) = follower.troubles()
    assert "its proof is broken: entry 2 was edited" in trouble.message
    assert len(shelf.opened) == 1


def test_a_log_whose_end_was_cut_off_is_no_rollback(shelf, follower):
    shelf.deploy("triage", "1.0.0")
    first = shelf.log["triage", "production"]
    shelf.deploy("triage", "1.1.0")
    follower.poll()
    shelf.log["triage", "production"] = first
    follower.poll()
    assert live(follower) == ["triage/production@1.1.0"]
    assert "ends with entry 1, but entry 2 was in it before" in follower.troubles()[0].message
