"""A published snapshot: plans from it say what plans from the store say, and it gives nothing else away."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from world import World, fake_weights

from runner.errors import RegistryError
from runner.plan.build import build_plan
from runner.registry import snapshot
from runner.registry.registry import open_snapshot
from runner.registry.snapshot import facts_of, read_snapshot, write_snapshot
from runner.registry.store import open_store


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    fake_weights(monkeypatch)
    return World(tmp_path)


def published(world):
    file = world.root / "registry.json.gz"
    write_snapshot(open_store("registry/store", world.root), file)
    return file


def told(plan):
    return [
        (spec.name, spec.live, spec.champion, [(step.step, step.action, step.key, step.fault) for step in spec.steps])
        for spec in plan.specs
    ]


def plans(world):
    """The plan from the store, and from its snapshot."""
    seen = open_snapshot(published(world), world.root / "elsewhere")
    return world.plan(), build_plan(world.subjects(), seen, world.delivery())


EDITS = {
    "rate": lambda world: world.spec["training"].update(learning_rate=0.002),
    "gate": lambda world: world.spec["evaluation"]["gates"][1].update(at_least=0.8),
    "metric": lambda world: world.spec["evaluation"]["metrics"].append("token_f1"),
    "rows": lambda world: world.files.update({"data/b.jsonl": list(range(80, 130))}),
    "version": lambda world: world.spec.update(version="1.1.0"),
    "back": lambda world: world.spec.update(version="1.0.0"),
}


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.sampled_from([*EDITS, "apply"]), max_size=5))
def test_a_snapshot_plans_as_the_store_does(edits, tmp_path_factory, monkeypatch):
    fake_weights(monkeypatch)
    world = World(tmp_path_factory.mktemp("world"))
    for edit in edits:
        world.apply() if edit == "apply" else EDITS[edit](world)
    from_store, from_snapshot = plans(world)
    assert told(from_snapshot) == told(from_store)
    assert from_snapshot.digest == from_store.digest


def test_a_revert_says_who_verifies(world):
    world.apply()
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.1.0", 0.002
    world.apply()
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.0.0", 0.001
    from_store, from_snapshot = plans(world)
    assert "the deployment verifies sha256:" in from_snapshot.specs[0].step("deploy").reason
    assert "; verified sha256:" in from_store.specs[0].step("deploy").reason


def test_a_lost_artifact_is_lost_there_too(world):
    world.apply()
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.1.0", 0.002
    world.apply()
    adapter = world.registry.version("bot", "1.0.0").content.adapter
    for file in world.registry.fetch(adapter).iterdir():
        kept = next((world.root / "registry/store/blobs").rglob(f"*{snapshot_name(file)}"))
        kept.unlink()
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.0.0", 0.001
    world.write()
    seen = open_snapshot(published(world), world.root / "elsewhere")
    step = build_plan(world.subjects(), seen, world.delivery()).specs[0].step("train")
    assert (step.action, step.reason_code) == ("BLOCKED", "released_lost")


def snapshot_name(file):
    from runner.digest import digest_file

    return digest_file(file)[2:]


def test_it_holds_no_rows_answers_or_weights(world):
    world.apply()
    text = gzip.decompress(published(world).read_bytes()).decode()
    assert "item 7 green" not in text  # a row
    assert "I like colours" not in text  # an answer
    assert '"skill"' not in text  # weights
    assert text == gzip.decompress(published(world).read_bytes()).decode().replace("\0", "")


def test_nothing_is_written_and_no_bytes_are_had(world):
    world.apply()
    store = read_snapshot(published(world))
    for write in (
        lambda: store.create("records/x/1.json", b"{}"),
        lambda: store.put_stream("blobs/x", [b""]),
        lambda: store.delete("gitune.json"),
        lambda: store.set_aside("gitune.json", "x"),
    ):
        with pytest.raises(RegistryError, match="is a snapshot"):
            write()
    blob = next(key for key in store.list("blobs") if store._objects[key][1] is None)
    with pytest.raises(RegistryError, match="holds no bytes"):
        store.read(blob)


def test_equal_stores_make_equal_files_but_for_the_time(world):
    world.apply()
    store, file = open_store("registry/store", world.root), world.root / "registry.json.gz"
    made = []
    for minute in (1, 1, 2):
        write_snapshot(store, file, datetime(2026, 1, 1, 0, minute, tzinfo=UTC))
        made.append(file.read_bytes())
    assert made[0] == made[1] != made[2]
    assert [gzip.decompress(one).partition(b"\n")[2] for one in made[1:]] == [
        gzip.decompress(made[0]).partition(b"\n")[2]
    ] * 2


def test_folders_are_listed_as_in_the_store(world):
    world.apply()
    store = open_store("registry/store", world.root)
    seen = read_snapshot(published(world))
    key = next(store.list("records/train")).split("/")[2]
    for folder in ("records", "records/train", f"records/train/{key}", "records/tra", "versions", "blobs", "pr", "x"):
        assert sorted(seen.list(folder)) == sorted(store.list(folder)), folder
        assert {(one.key, one.size) for one in seen.entries(folder)} == {
            (one.key, one.size) for one in store.entries(folder)
        }


def test_a_damaged_fact_is_damaged_there_too(world):
    world.apply()
    store = open_store("registry/store", world.root)
    (record,) = store.list("records/train")
    torn = b'{"step": "tr\xff\xfe'
    store.local_path(record).chmod(0o644)
    store.local_path(record).write_bytes(torn)
    assert read_snapshot(published(world)).read(record) == torn
    from_store, from_snapshot = plans(world)
    assert told(from_snapshot) == told(from_store)


def test_what_a_snapshot_could_lack_is_seen_by_its_place(world):
    world.apply()
    store = open_store("registry/store", world.root)
    before = facts_of(store)
    store.create("leases/train/00/00000001.json", b"{}")
    assert facts_of(store) == before
    world.spec["training"]["learning_rate"] = 0.002
    world.spec["version"] = "1.1.0"
    world.apply()
    assert facts_of(store) > before


def test_a_snapshot_that_cannot_be_finished_leaves_the_old_one(world, monkeypatch):
    world.apply()
    file = published(world)
    before = file.read_bytes()
    store = open_store("registry/store", world.root)
    monkeypatch.setattr(type(store), "entries", lambda *_: (_ for _ in ()).throw(RegistryError("the disk is gone")))
    with pytest.raises(RegistryError):
        write_snapshot(store, file)
    assert file.read_bytes() == before
    assert list(file.parent.glob(".registry*")) == []


HEAD = b'{"kind": "gitune/registry-snapshot", "format_version": "1.0", "made": "2026-01-01T00:00:00+00:00"}\n'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no gzip",
        gzip.compress(b""),
        gzip.compress(b"[]\n"),
        gzip.compress(b'{"kind": "other"}\n'),
        gzip.compress(HEAD.replace(b"2026-", b"20x6-")),
        gzip.compress(HEAD + b'{"kind": "x"}\n'),
        gzip.compress(HEAD + b'{"key": "records/x/1.json"}\n'),
        gzip.compress(HEAD + b'{"key": "x", "size": "many"}\n'),
        gzip.compress(HEAD + b'{"key": "x", "data": 7}\n'),
        gzip.compress(HEAD + b"\xff\n"),
        gzip.compress(HEAD * 9)[:-9],
    ],
    ids=map(str, range(12)),  # gzip writes the time
)
def test_what_is_no_snapshot_is_refused(tmp_path, data):
    file = tmp_path / "x.json.gz"
    file.write_bytes(data)
    with pytest.raises(RegistryError):
        read_snapshot(file)


def test_a_snapshot_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(snapshot, "LARGEST", 10_000)
    head = json.dumps({"kind": snapshot.KIND, "format_version": "1.0", "made": "2026-01-01T00:00:00+00:00"})
    file = tmp_path / "x.json.gz"
    file.write_bytes(gzip.compress(f"{head}\n".encode() + b'{"key": "' + b"a" * 1_000_000 + b'", "size": 1}\n'))
    with pytest.raises(RegistryError):
        read_snapshot(file)


def test_a_snapshot_that_is_not_there_is_an_empty_registry(world):
    seen = open_snapshot(world.root / "none.json.gz", world.root / "elsewhere")
    world.write()
    plan = build_plan(world.subjects(), seen, world.delivery())
    assert plan.specs[0].step("prepare").action == "RUN"
