"""Several files move at once; slow work is told; the first failure ends all."""

import threading
import time

import pytest

from runner.progress import silent
from runner.registry.registry import Registry
from runner.registry.store import open_store
from runner.registry.transfers import AT_ONCE, Transfer


def test_results_keep_their_order_and_few_run_at_once():
    running, most, lock = 0, 0, threading.Lock()

    def work(number):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1
        return number * 2

    assert Transfer("x", 0, silent).together(work, list(range(20))) == [number * 2 for number in range(20)]
    assert 1 < most <= AT_ONCE


def test_the_first_error_ends_the_others_and_is_the_one_that_is_raised():
    moved, begun = Transfer("x", 0, silent), []

    def endless():
        while True:
            time.sleep(0.005)
            yield b"x"

    def work(number):
        begun.append(number)
        if number == 1:
            time.sleep(0.05)
            raise ValueError("the second file")
        for _ in moved.counted(endless()):
            pass

    with pytest.raises(ValueError, match="the second file"):
        moved.together(work, list(range(50)))
    assert len(begun) <= AT_ONCE + 1  # what had not begun never began


def test_work_that_takes_a_while_is_told_with_its_speed(monkeypatch):
    monkeypatch.setattr("runner.registry.transfers.QUIET", 0.0)
    monkeypatch.setattr("runner.registry.transfers.EVERY", 0.0)
    told = []
    moved = Transfer("storing", 30_000_000, told.append)
    moved.skip(10_000_000)
    assert b"".join(moved.counted([b"x" * 10_000_000] * 2)) == b"x" * 20_000_000
    assert [(sign.what, sign.done, sign.total, sign.unit) for sign in told] == [
        ("storing", 20, 30, "MB"),
        ("storing", 30, 30, "MB"),
    ]
    assert told[-1].note.endswith(" MB/s")


def test_what_is_over_in_a_moment_is_not_told():
    told = []
    list(Transfer("storing", 3, told.append).counted([b"abc"]))
    assert told == []


def test_a_step_tells_of_uploads_and_downloads(store, tmp_path, monkeypatch):
    monkeypatch.setattr("runner.registry.transfers.QUIET", 0.0)
    monkeypatch.setattr("runner.registry.transfers.EVERY", 0.0)
    told = []
    folder = tmp_path / "source"
    folder.mkdir()
    for name in "abcdefgh":
        (folder / name).write_bytes(name.encode() * 2_000_000)
    artifact = Registry(store, tmp_path / "cache").at_work(told.append).put_tree(folder)
    assert {sign.what for sign in told} == {f"storing an artifact ({store})"}
    assert max(sign.done for sign in told) == max(sign.total for sign in told) == 16
    told.clear()
    fetched = Registry(store, tmp_path / "cache").at_work(told.append).fetch(artifact)
    assert {path.name: path.read_bytes() for path in fetched.iterdir()} == {
        name: name.encode() * 2_000_000 for name in "abcdefgh"
    }
    in_place = str(store).startswith("/")  # nothing moves out of a folder
    assert {sign.what for sign in told} == (set() if in_place else {f"fetching an artifact ({store})"})


def test_a_tree_with_a_lost_file_is_told_and_not_put_together(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    for name in "abcdefgh":
        (folder / name).write_bytes(name.encode())
    store = open_store("memory:///", tmp_path)
    artifact = Registry(store, tmp_path / "cache").put_tree(folder)
    lost = next(iter(store.list("blobs")))
    store.delete(lost)
    with pytest.raises(Exception, match="missing"):
        Registry(store, tmp_path / "cache").fetch(artifact)
    assert not list((tmp_path / "cache").glob("trees/*"))
