"""The cache stays below its size; what was used last stays, and what any process uses."""

import os
import subprocess
import sys
import time

import pytest

from runner.registry.cache_limit import _IN_USE, STALE_SECONDS
from runner.registry.registry import Registry
from runner.registry.store import open_store

SIZE = 100_000


@pytest.fixture(autouse=True)
def another_process():
    """Nothing is in use as yet."""
    _IN_USE.forget()


@pytest.fixture
def world(tmp_path):
    """Ten blobs in a store that is not a folder, and a way to open it as another process would."""

    class World:
        cache = tmp_path / "cache"
        store = open_store("memory:///", tmp_path)

        def opened(self, limit=10):
            return Registry(self.store, self.cache, limit * SIZE)

        def kept(self):
            files = self.cache.glob("blobs/*/*")
            return {path.read_bytes()[:1].decode() for path in files}

    found = World()
    found.blobs = {name: found.opened().put_bytes(name.encode() * SIZE) for name in "abcdefghij"}
    return found


def tree_of(world, tmp_path, names):
    folder = tmp_path / f"source-{names}"
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(name.encode() * SIZE)
    return world.opened().put_tree(folder)


def fetched_once(world, names):
    """Fetch each in a process of its own, oldest first."""
    for name in names:
        registry = world.opened()
        path = registry.fetch(world.blobs[name])
        _IN_USE.forget()
        os.utime(path, ns=(time.time_ns() - 10**12 + ord(name) * 10**9, path.stat().st_mtime_ns))


def test_what_was_not_used_for_longest_goes_first(world):
    fetched_once(world, "abcde")
    fetched_once(world, "a")  # used again
    os.utime(next(world.cache.glob("blobs/*/*")), None)  # mtime of a random one means nothing
    fetched_once(world, "a")
    registry = world.opened(limit=3)
    _IN_USE.forget()
    path = registry.fetch(world.blobs["a"])
    registry.fetch(world.blobs["f"])
    assert path.exists()
    assert {"a", "f"} <= world.kept()
    assert len(world.kept()) == 3


def test_what_this_process_uses_stays_though_it_is_too_much(world):
    registry = world.opened(limit=3)
    paths = [registry.fetch(world.blobs[name]) for name in "abcdef"]
    assert all(path.exists() for path in paths)
    assert world.kept() == set("abcdef")
    _IN_USE.forget()
    world.opened(limit=3).fetch(world.blobs["g"])
    assert len(world.kept()) == 3


def test_what_another_process_uses_stays(world, tmp_path):
    """Also when it was not used for longest; and it may go as soon as that process is killed."""
    fetched_once(world, "abc")
    program = "import sys; from runner.registry.cache_limit import CacheLimit; from pathlib import Path\n"
    program += "CacheLimit(Path(sys.argv[1]), 0).hold(sys.argv[2]); print('held', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", program, world.cache, world.blobs["a"].digest]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        world.opened(limit=1).fetch(world.blobs["d"])
        assert world.kept() == {"a", "d"}
        other.kill()
    registry = world.opened(limit=1)
    registry.fetch(world.blobs["e"])
    assert "a" not in world.kept()


def test_a_tree_and_its_blobs_are_counted_once(world, tmp_path):
    tree = tree_of(world, tmp_path, "abcd")
    registry = world.opened(limit=4)
    folder = registry.fetch(tree)
    _IN_USE.forget()
    registry = world.opened(limit=4)
    registry.fetch(tree)
    registry.fetch(world.blobs["a"])  # there already
    assert sorted(path.name for path in folder.iterdir()) == list("abcd")
    assert world.kept() == set("abcd")


def test_a_tree_goes_whole(world, tmp_path):
    tree = tree_of(world, tmp_path, "abcd")
    registry = world.opened()
    folder = registry.fetch(tree)
    _IN_USE.forget()
    world.opened(limit=1).fetch(world.blobs["e"])
    assert not folder.exists()
    assert world.kept() == {"e"}
    again = world.opened()
    assert sorted(path.name for path in again.fetch(tree).iterdir()) == list("abcd")


def test_copies_that_are_links_into_a_store_on_this_disk_cost_nothing(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_bytes(b"a" * SIZE)
    registry = Registry(open_store("store", tmp_path), tmp_path / "cache", SIZE // 2)
    folder = registry.fetch(registry.put_tree(source))
    _IN_USE.forget()
    (source / "b").write_bytes(b"b" * SIZE)
    registry.fetch(registry.put_tree(source))
    assert folder.exists()


def test_what_killed_processes_left_is_swept_after_a_day(world):
    folder = world.cache / "blobs" / "ab"
    folder.mkdir(parents=True, exist_ok=True)
    for name, age in ((".dead", STALE_SECONDS + 60), (".alive", 60)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    world.opened().fetch(world.blobs["a"])
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == [".alive"]


def test_processes_that_fetch_and_evict_at_once_all_get_what_they_asked_for(tmp_path):
    """Four processes share a cache that has room for a fifth of what they read."""
    program = """
import random, sys
from pathlib import Path
from runner.registry.cache_limit import _IN_USE
from runner.registry.facts import Artifact
from runner.registry.registry import Registry
from runner.registry.store import open_store
store = open_store("memory:///", Path())
registry = Registry(store, Path(sys.argv[1]), 200_000)
blobs = [registry.put_bytes(bytes([n]) * 100_000) for n in range(10)]
trees = []
for n in range(10):
    folder = Path(sys.argv[1]).parent / f"{sys.argv[2]}-{n}"
    folder.mkdir()
    (folder / "a").write_bytes(bytes([n]) * 100_000)
    trees.append(registry.put_tree(folder))
turns = random.Random(sys.argv[2])
for turn in range(150):
    registry = Registry(store, Path(sys.argv[1]), 200_000)
    n = turns.randrange(10)
    assert registry.fetch(blobs[n]).read_bytes() == bytes([n]) * 100_000
    assert (registry.fetch(trees[n]) / "a").read_bytes() == bytes([n]) * 100_000
    _IN_USE.forget()
"""
    commands = [[sys.executable, "-c", program, tmp_path / "cache", str(number)] for number in range(4)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    for process in processes:
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
