"""Damaged bytes: who works sets them aside, so that the next plan sees them missing; who looks changes nothing."""

import pytest

from runner.digest import digest_bytes
from runner.errors import RegistryError
from runner.progress import silent
from runner.registry.artifacts import blob_key
from runner.registry.registry import Registry


@pytest.fixture
def damaged(store, tmp_path):
    """A registry with a blob whose bytes have changed, but not its size, and that blob."""

    def opened():  # another process: nothing is remembered
        return Registry(store, tmp_path / "cache")

    artifact = opened().put_bytes(b"weights")
    store.put_stream(blob_key(artifact.digest), [b"wEights"])
    return opened, artifact


@pytest.mark.parametrize("look", ["fetch", "read"])
def test_who_only_looks_changes_nothing(store, damaged, look):
    opened, artifact = damaged
    with pytest.raises(RegistryError, match="is damaged") as caught:
        getattr(opened(), look)(artifact)
    assert "apply again" in caught.value.hint
    assert store.read(blob_key(artifact.digest)) == b"wEights"
    assert opened().exists(artifact)


@pytest.mark.parametrize("look", ["fetch", "read"])
def test_a_step_at_work_sets_it_aside(store, damaged, look):
    opened, artifact = damaged
    with pytest.raises(RegistryError, match="is damaged") as caught:
        getattr(opened().at_work(silent), look)(artifact)
    assert f"corrupt/{artifact.digest}" in caught.value.hint
    assert store.read(f"corrupt/{artifact.digest}") == b"wEights"
    assert not opened().exists(artifact)
    opened().put_bytes(b"weights")
    assert opened().read(artifact) == b"weights"


def test_a_record_with_a_damaged_artifact_is_healed_by_the_next(store, damaged, make_record):
    opened, artifact = damaged
    opened().add_record(make_record(outputs={"adapter": artifact}))
    assert opened().record("train", "a" * 64)  # sizes are all that a plan looks at
    with pytest.raises(RegistryError):
        opened().at_work(silent).read(artifact)
    assert opened().record("train", "a" * 64) is None
    again = opened().put_bytes(b"weights")
    opened().add_record(make_record(outputs={"adapter": again}, metrics={"second": True}))
    assert opened().record("train", "a" * 64).metrics == {"second": True}
    assert len(list(store.list("records/train"))) == 2


def test_a_small_blob_that_is_damaged_is_written_again(damaged):
    opened, artifact = damaged
    opened().put_bytes(b"weights")
    assert opened().read(artifact) == b"weights"


def test_a_manifest_that_is_damaged_is_written_again(store, tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a").write_bytes(b"1")

    def opened():
        return Registry(store, tmp_path / "cache")

    tree = opened().put_tree(tmp_path / "source")
    good = store.read(blob_key(tree.digest))
    store.put_stream(blob_key(tree.digest), [good.replace(digest_bytes(b"1").encode(), b"0" * 64)])
    assert not opened().exists(tree)
    opened().put_tree(tmp_path / "source")
    assert opened().exists(tree)


def test_a_store_that_cannot_be_mended_says_that_too(damaged, store, monkeypatch):
    def refuse(*_):
        raise RegistryError("read only", hint="ask who owns it")

    monkeypatch.setattr(store, "set_aside", refuse)
    opened, artifact = damaged
    with pytest.raises(RegistryError, match=r"is damaged.*cannot be set aside: read only"):
        opened().at_work(silent).read(artifact)


def test_only_the_blob_that_is_damaged_is_set_aside(store, tmp_path):
    (tmp_path / "source").mkdir()
    for name in "abcd":
        (tmp_path / "source" / name).write_bytes(name.encode() * 100)
    registry = Registry(store, tmp_path / "cache")
    tree = registry.put_tree(tmp_path / "source")
    bad = blob_key(digest_bytes(b"c" * 100))
    store.put_stream(bad, [b"C" * 100])
    before = set(store.list("blobs"))
    with pytest.raises(RegistryError, match="is damaged"):
        Registry(store, tmp_path / "new").at_work(silent).fetch(tree)
    assert before - set(store.list("blobs")) == {bad}
