"""`verify` finds every kind of damage, names the object, and says nothing of a store that is whole."""

from __future__ import annotations

import json
import shutil

import pytest
from world import World, fake_weights

from runner.progress import silent
from runner.registry.store import open_store
from runner.report.audit import audit


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A store with two versions, made once."""
    patch = pytest.MonkeyPatch()
    fake_weights(patch)
    world = World(tmp_path_factory.mktemp("released"))
    world.apply()
    world.spec["version"] = "1.1.0"
    world.files["data/c.jsonl"] = list(range(120, 150))
    world.apply()
    patch.undo()
    return world


@pytest.fixture
def world(released, tmp_path):
    """A copy that a test may damage."""
    shutil.copytree(released.root, tmp_path / "copy")
    copy = World(tmp_path / "copy")
    copy.store = open_store("registry/store", copy.root)
    return copy


def faults(world, *which):
    return audit(world.store, world.root / "cache", world.root, silent, *which).faults


def change(world, key, edit):
    path = world.store.local_path(key)
    path.chmod(0o644)
    path.write_bytes(edit(path.read_bytes()))


def edited(**fields):
    return lambda data: json.dumps(json.loads(data) | fields).encode()


def weights(world, number):
    """The place of the file of weights of a version."""
    tree = world.registry.version("bot", number).content.adapter.digest
    (file,) = json.loads(world.store.read(f"blobs/sha256/{tree[:2]}/{tree[2:]}"))["files"].values()
    return f"blobs/sha256/{file['digest'][:2]}/{file['digest'][2:]}"


def record(world, number, step):
    return f"records/{step}/{world.registry.version('bot', number).keys[step]}/1.json"


def test_a_whole_store_has_no_faults(world):
    found = audit(world.store, world.root / "cache", world.root, silent)
    assert found.faults == []
    assert (found.versions, found.logs) == (2, 1)
    assert found.artifacts == len(list(world.store.list("blobs")))


def test_only_one_version_reads_only_what_it_rests_on(world):
    found = audit(world.store, world.root / "cache", world.root, silent, "bot", "1.0.0")
    assert found.faults == []
    assert 0 < found.artifacts < len(list(world.store.list("blobs")))


LOG = "deployments/bot/production"

DAMAGE = {
    "a flipped bit": (
        lambda w: change(w, weights(w, "1.0.0"), lambda data: bytes([data[0] ^ 1]) + data[1:]),
        ["has other bytes", "is LOST", "train: adapter"],
    ),
    "a blob cut short": (
        lambda w: change(w, weights(w, "1.0.0"), lambda data: data[:-1]),
        ["has other bytes", "missing or cut short: adapter", "is LOST", "train: its record or an artifact is missing"],
    ),
    "a blob gone": (
        lambda w: w.store.delete(weights(w, "1.0.0")),
        ["missing or cut short: adapter", "is LOST", "train: its record or an artifact is missing"],
    ),
    "a stray file": (lambda w: w.store.create("blobs/sha256/notes.txt", b"x"), ["is no artifact"]),
    "a record that was edited": (
        lambda w: change(w, record(w, "1.1.0", "train"), edited(inputs={"a": 1})),
        ["not the digest of its inputs", "train: the key is not the digest"],
    ),
    "a record under another key": (
        lambda w: change(w, record(w, "1.1.0", "gate"), edited(key="0" * 64)),
        ["is the record of gate/00000000", "gate: its record or an artifact is missing"],
    ),
    "a record that is no JSON": (
        lambda w: change(w, record(w, "1.1.0", "score"), lambda _: b"{"),
        ["is no record", "score: its record or an artifact is missing"],
    ),
    "a failure that is no JSON": (lambda w: w.store.create("failures/train/k/1.json", b"{"), ["is no failure"]),
    "a version that cannot be read": (
        lambda w: change(w, "versions/bot/1.0.0.json", lambda _: b""),
        ["cannot be read as that version", "is not the file that entry 1 deployed"],
    ),
    "a version under another number": (
        lambda w: change(w, "versions/bot/1.0.0.json", edited(version="9.9.9")),
        ["cannot be read as that version", "is not the file that entry 1 deployed"],
    ),
    "a version with another verdict": (
        lambda w: change(w, "versions/bot/1.0.0.json", edited(verdict="INCONCLUSIVE")),
        ["version: its gates said PASS", "is not the file that entry 1 deployed"],
    ),
    "a gap in the log": (lambda w: w.store.delete(f"{LOG}/00000001.json"), ["the log has a gap"]),
    "an entry that cannot be read": (
        lambda w: change(w, f"{LOG}/00000002.json", lambda _: b"[]"),
        ["is no entry of a deployment log"],
    ),
    "an entry of another log": (
        lambda w: change(w, f"{LOG}/00000002.json", edited(alias="staging")),
        ["is entry 2 of bot/staging"],
    ),
    "an entry of a version that was never released": (
        lambda w: change(w, f"{LOG}/00000002.json", edited(version="7.0.0")),
        ["deploys 7.0.0, which is not among"],
    ),
    "an entry that does not follow": (
        lambda w: change(w, f"{LOG}/00000002.json", edited(previous="0.9.0")),
        ["says that 0.9.0 was live before, but entry 1 deployed 1.0.0"],
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_finds(world, kind):
    do, expected = DAMAGE[kind]
    do(world)
    found = faults(world)
    assert len(found) == len(expected), found
    for fault, words in zip(found, expected, strict=True):
        assert words in fault.what
        assert fault.remedy


def test_what_was_healed_by_a_later_record_is_no_fault(world):
    key = record(world, "1.1.0", "score")
    data = world.store.read(key)
    change(world, key, lambda _: b"{")
    world.store.create(key.replace("/1.json", "/2.json"), data)
    assert faults(world) == []


def test_damage_elsewhere_is_not_told_of_another_version(world):
    change(world, weights(world, "1.1.0"), lambda data: data[:-1])
    assert faults(world, "bot", "1.0.0") == []
    assert faults(world, "bot", "1.1.0")
