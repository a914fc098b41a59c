"""A pull request's runs see all of main, write only below their prefix, and say nothing that only main may say."""

from datetime import UTC, datetime

import pytest

from runner.errors import RegistryError, UsageError
from runner.progress import silent
from runner.registry.artifacts import blob_key
from runner.registry.facts import Ruling
from runner.registry.namespaces import ADOPTABLE
from runner.registry.registry import open_namespace, open_registry

OTHER = "b" * 64


@pytest.fixture
def own(local, tmp_path):
    return open_namespace("store", tmp_path, tmp_path / "cache", "pr/12")


def files(tmp_path):
    store = tmp_path / "store"
    return {path.relative_to(store).as_posix() for path in store.rglob("*") if path.is_file()}


def test_it_reads_main_and_writes_below_its_prefix(local, own, make_record, make_failure, tmp_path):
    local.add_record(make_record(outputs={"adapter": local.put_bytes(b"main")}))
    before = files(tmp_path)
    assert own.record("train", "a" * 64) == local.record("train", "a" * 64)
    own.add_record(make_record(key=OTHER, outputs={"adapter": own.put_bytes(b"own")}))
    own.add_failure(make_failure(key=OTHER))
    new = files(tmp_path) - before
    assert len(new) == 3
    assert all(name.startswith("pr/12/") for name in new)
    assert own.read(own.record("train", OTHER).outputs["adapter"]) == b"own"
    assert {record.key for record in own.records("train")} == {"a" * 64, OTHER}
    assert local.record("train", OTHER) is None
    assert local.failure("train", OTHER) is None
    assert open_namespace("store", tmp_path, tmp_path / "cache", "pr/13").record("train", OTHER) is None


def test_what_main_has_is_not_stored_again(local, own, tmp_path):
    local.put_bytes(b"shared")
    before = files(tmp_path)
    own.put_bytes(b"shared")
    assert files(tmp_path) == before


def test_a_blob_that_is_damaged_in_main_is_healed_in_the_namespace_alone(local, own, tmp_path):
    artifact = local.put_bytes(b"bytes")
    path = tmp_path / "store/blobs/sha256" / artifact.digest[:2] / artifact.digest[2:]
    path.chmod(0o644)
    path.write_bytes(b"xxxxx")
    own.put_bytes(b"bytes")
    assert own.read(artifact) == b"bytes"
    with pytest.raises(RegistryError, match="damaged"):
        local.read(artifact)


def test_only_main_releases_deploys_and_decides(local, own, make_version, make_deployment, tmp_path):
    ruling = Ruling(number=1, name="x", kind="hold", who="Ada", reason="why", at=datetime(2026, 1, 1, tzinfo=UTC))
    writes = (
        lambda: own.release(make_version()),
        lambda: own.append_deployment(make_deployment(1)),
        lambda: own.add_ruling(ruling),
    )
    for write in writes:
        with pytest.raises(RegistryError, match="only main releases, deploys and decides"):
            write()
    assert files(tmp_path) == set()


def test_forged_releases_in_a_namespace_are_not_seen(local, own, make_version, make_deployment, tmp_path):
    inside = open_registry("store/pr/12", tmp_path, tmp_path / "cache")
    inside.release(make_version())
    inside.append_deployment(make_deployment(1))
    assert own.version("support", "1.0.0") is None
    assert own.versions("support") == []
    assert own.live("support", "production") is None
    assert own.deployed() == []


def test_what_main_knows_is_not_overlaid(local, own, make_record, tmp_path):
    local.add_record(make_record(metrics={"loss": 1}))
    open_registry("store/pr/12", tmp_path, tmp_path / "cache").add_record(make_record(metrics={"loss": 0}))
    assert own.record("train", "a" * 64).metrics == {"loss": 1}


def test_main_sees_of_a_namespace_only_what_it_may_adopt(local, own, make_record, tmp_path):
    for step in ("prepare", "train", "predict_tuned", "score", "gate"):
        own.add_record(make_record(step=step, key=OTHER, outputs={"x": own.put_bytes(step.encode())}))
    seen = open_namespace("store", tmp_path, tmp_path / "cache", "pr/12", ADOPTABLE)
    found = [step for step in ("prepare", "train", "predict_tuned", "score", "gate") if seen.record(step, OTHER)]
    assert found == ["train", "predict_tuned"]
    with pytest.raises(RegistryError, match="only main"):
        seen.put_bytes(b"other")


@pytest.mark.parametrize("name", ["", "pr", "pr/", "pr/0", "pr/x", "pr/1/2", "../pr/1", "pr/12 ", "versions"])
def test_other_namespaces_are_refused(tmp_path, name):
    with pytest.raises(UsageError, match="is no namespace"):
        open_namespace("store", tmp_path, tmp_path / "cache", name)


def test_damaged_bytes_are_set_aside_where_the_namespace_may_write(tmp_path):
    main, own = (
        open_registry("store", tmp_path, tmp_path / "cache"),
        open_namespace("store", tmp_path, tmp_path / "cache", "pr/12"),
    )
    mains, its = main.put_bytes(b"main's"), own.put_bytes(b"its own")
    for folder, artifact in ((tmp_path / "store", mains), (tmp_path / "store" / "pr" / "12", its)):
        path = folder / blob_key(artifact.digest)
        path.unlink()
        path.write_bytes(b"?" * artifact.size)
    with pytest.raises(RegistryError, match="is damaged") as caught:
        open_namespace("store", tmp_path, tmp_path / "cache", "pr/12").at_work(silent).read(its)
    assert "corrupt/" in caught.value.hint
    assert (tmp_path / "store" / "pr" / "12" / "corrupt" / its.digest).exists()
    with pytest.raises(RegistryError, match="changes nothing there"):
        open_namespace("store", tmp_path, tmp_path / "cache", "pr/12").at_work(silent).read(mains)
    assert (tmp_path / "store" / blob_key(mains.digest)).exists()
