"""What every store promises, and what a folder promises beyond that."""

import os
import resource
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from runner.errors import RegistryError, TransientError
from runner.registry.folder_store import STALE_SECONDS, FolderStore
from runner.registry.store import check_name, open_store


def broken():
    yield b"first half"
    raise OSError("the source went away")


def test_an_object_is_created_once(store):
    assert store.create("records/train/k/1.json", b"{}")
    assert not store.create("records/train/k/1.json", b"other")
    assert store.read("records/train/k/1.json") == b"{}"


def test_what_is_not_there_is_none(store):
    assert store.read("versions/a/1.0.0.json") is None
    assert store.size("versions/a/1.0.0.json") is None
    assert store.stream("versions/a/1.0.0.json") is None
    assert store.local_path("versions/a/1.0.0.json") is None
    assert list(store.list("versions")) == []


@pytest.mark.parametrize("chunks", [[], [b""], [b"one"], [b"one", b"two"], [b"x" * 3_000_000] * 3])
def test_a_stream_is_written_whole_and_replaces(store, chunks):
    store.put_stream("blobs/a", [b"old"])
    store.put_stream("blobs/a", iter(chunks))
    whole = b"".join(chunks)
    assert store.size("blobs/a") == len(whole)
    assert store.read("blobs/a") == whole
    assert b"".join(store.stream("blobs/a")) == whole


def test_a_stream_that_breaks_replaces_nothing(store):
    store.put_stream("blobs/a", [b"old"])
    for key in ("blobs/a", "blobs/b"):
        with pytest.raises((OSError, RegistryError)):
            store.put_stream(key, broken())
    assert store.read("blobs/a") == b"old"
    assert store.read("blobs/b") is None


def test_while_a_stream_is_written_the_old_object_is_seen(store):
    def watched(key, seen):
        for chunk in (b"x" * 2_000_000,) * 8:
            yield chunk
            assert store.read(key) == seen

    store.put_stream("blobs/a", [b"old"])
    for key, seen in (("blobs/a", b"old"), ("blobs/b", None)):
        store.put_stream(key, watched(key, seen))
        assert store.size(key) == 16_000_000


def test_what_is_deleted_is_gone(store):
    store.create("records/a/1.json", b"{}")
    assert store.delete("records/a/1.json")
    assert store.read("records/a/1.json") is None
    assert not store.delete("records/a/1.json")
    assert not store.delete("records/b/1.json")
    assert store.create("records/a/1.json", b"new")


def test_what_is_set_aside_is_elsewhere(store):
    store.put_stream("blobs/a", [b"odd"])
    store.put_stream("corrupt/a", [b"older"])
    store.set_aside("blobs/a", "corrupt/a")
    store.set_aside("blobs/a", "corrupt/a")
    assert store.read("blobs/a") is None
    assert store.read("corrupt/a") == b"odd"


def test_only_what_is_below_a_folder_is_listed(store):
    for key in ("records/train/k/1.json", "records/train/kk/1.json", "records/score/k/1.json"):
        store.create(key, b"{}")
    assert sorted(store.list("records/train")) == ["records/train/k/1.json", "records/train/kk/1.json"]
    assert list(store.list("records/train/k")) == ["records/train/k/1.json"]


def test_opening_and_reading_writes_nothing(tmp_path):
    store = open_store("registry/store", tmp_path)
    assert store.read("records/x") is None
    assert list(store.list("records")) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["store", "{root}/store", "file://{root}/store"])
def test_a_folder_is_named_in_three_ways(tmp_path, url):
    store = open_store(url.format(root=tmp_path), tmp_path)
    assert store.create("a/b.json", b"{}")
    assert (tmp_path / "store" / "a" / "b.json").read_bytes() == b"{}"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://example.org/store", "no kind of store"),
        ("ftp://example.org", "no kind of store"),
        ("s3://key:s3cr3t@bucket/x", "credentials"),
        ("az://container/x?sig=s3cr3t", "credentials"),
    ],
)
def test_a_url_that_cannot_be_a_store_is_refused_without_repeating_secrets(tmp_path, url, told):
    with pytest.raises(RegistryError, match=told) as caught:
        open_store(url, tmp_path)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("name", ["support-triage", "1.2.0", "a" * 64, "v1_x+y"])
def test_names_that_are_good(name):
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "/etc", ".tmp", "a\\b", "a\0", "a b", "é", "a" * 129, "a\n"]
)
def test_names_that_could_lead_elsewhere(name):
    with pytest.raises(RegistryError, match="cannot be a name"):
        check_name(name)


def test_files_of_a_folder_store_are_read_only_and_nothing_temporary_stays(tmp_path):
    store = FolderStore(tmp_path)
    store.create("records/1.json", b"{}")
    store.create("records/1.json", b"{}")
    store.put_stream("blobs/a", [b"x"])
    with pytest.raises(RegistryError):
        store.put_stream("blobs/b", broken())
    assert list((tmp_path / ".tmp").iterdir()) == []
    for key in ("records/1.json", "blobs/a"):
        assert stat.S_IMODE((tmp_path / key).stat().st_mode) & 0o222 == 0


def test_a_disk_that_fills_up_in_the_middle_leaves_nothing(tmp_path):
    store = FolderStore(tmp_path)
    store.create("records/1.json", b"{}")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(RegistryError, match="cannot write"):
            store.create("records/2.json", b"x" * 5000)
        with pytest.raises(RegistryError, match="cannot write"):
            store.put_stream("blobs/a", [b"x" * 600] * 5)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["1.json"]


def test_what_killed_writers_left_is_swept_after_a_day(tmp_path):
    folder = tmp_path / ".tmp"
    folder.mkdir()
    for name, age in (("dead", STALE_SECONDS + 60), ("alive", 60)):
        (folder / name).write_bytes(b"half")
        os.utime(folder / name, (time.time() - age,) * 2)
    FolderStore(tmp_path).create("a.json", b"{}")
    assert [path.name for path in folder.iterdir()] == ["alive"]


def test_a_store_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"a file where the folder should be")
    store = open_store("file/store", tmp_path)
    assert store.read("a") is None
    with pytest.raises(RegistryError, match=r"cannot write a in the store .*file/store"):
        store.create("a", b"{}")


def test_an_unreachable_store_is_one_clear_error(tmp_path, monkeypatch):
    environment = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "s3cr3t",
        "AWS_REGION": "us-east-1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("runner.registry.object_store.PATIENCE", timedelta(seconds=0.2))
    store = open_store("s3://bucket/prefix", tmp_path)
    with pytest.raises(TransientError, match="cannot look at a in the store s3://bucket/prefix") as caught:
        store.size("a")
    assert "s3cr3t" not in str(caught.value)
    assert "\n" not in caught.value.message


def test_a_folder_that_goes_between_two_looks_is_no_taken_key(tmp_path, monkeypatch):
    """Somebody makes the folder just before us, and removes it just after: pathlib then says that it exists."""
    store, make = open_store("store", tmp_path), Path.mkdir
    lost = iter([True])

    def mkdir(folder, *arguments, **options):
        if folder.name == "k" and next(lost, False):
            raise FileExistsError(folder)
        make(folder, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    assert store.create("leases/k/1.json", b"{}")
    assert store.read("leases/k/1.json") == b"{}"


def test_what_is_deleted_and_written_in_one_folder_at_once_disturbs_nobody(store):
    """A folder store removes folders that it empties, such as that of a lease while somebody claims the key again."""

    def write_and_delete(writer):
        for number in range(100):
            assert store.create(f"leases/train/k/{writer}-{number}.json", b"{}")
            store.put_stream(f"leases/train/k/{writer}.bin", [b"x"])
            assert store.delete(f"leases/train/k/{writer}-{number}.json")
            assert store.delete(f"leases/train/k/{writer}.bin")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write_and_delete, range(4)))
    assert list(store.list("leases")) == []
