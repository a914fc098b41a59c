"""Bytes and folders come back as they went in, or not at all."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.digest import canonical_json, digest_bytes
from runner.errors import GituneError, RegistryError
from runner.registry.artifacts import _unchanged, blob_key
from runner.registry.facts import Artifact
from runner.registry.registry import Registry, open_registry
from runner.registry.store import open_store

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda name: name not in (".", "..")
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
FILES = st.dictionaries(PATHS, st.binary(max_size=64), max_size=5).filter(
    lambda files: not any(other.startswith(f"{path}/") for path in files for other in files)
)


def write_folder(folder, files):
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def read_folder(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def blob_file(tmp_path, digest):
    return tmp_path / "store" / blob_key(digest)


def damage(path, data=b"X"):
    path.chmod(0o644)
    path.write_bytes(data + path.read_bytes()[len(data) :])


@given(st.binary(max_size=2000))
@settings(max_examples=40)
def test_bytes_come_back(data):
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(open_store("memory:///", Path(folder)), Path(folder, "cache"))
        artifact = registry.put_bytes(data)
        assert artifact == Artifact(digest=digest_bytes(data), size=len(data))
        assert registry.exists(artifact)
        assert registry.read(artifact) == data
        assert registry.fetch(artifact).read_bytes() == data


@given(FILES)
@settings(max_examples=25, deadline=None)
def test_folders_come_back(files):
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry(open_store("memory:///", Path(folder)), Path(folder, "cache"))
        source = Path(folder, "source")
        source.mkdir()
        artifact = registry.put_tree(write_folder(source, files))
        assert registry.exists(artifact)
        assert artifact.size == sum(map(len, files.values()))
        assert read_folder(registry.fetch(artifact)) == files


def test_a_tree_is_its_names_and_bytes_not_order_times_or_empty_folders(registry, tmp_path):
    files = {"b/x.bin": b"1", "a.json": b"2", "b/a.bin": b"3", "a/z": b"4"}
    one = registry.put_tree(write_folder(tmp_path / "one", files))
    other = write_folder(tmp_path / "other", dict(reversed(files.items())))
    (other / "empty").mkdir()
    os.utime(other / "a.json", (1, 1))
    assert registry.put_tree(other) == one
    assert registry.put_tree(write_folder(tmp_path / "third", files | {"a.json": b"changed"})) != one


@pytest.mark.parametrize("kind", ["file", "folder", "dangling", "pipe"])
def test_a_folder_with_a_link_is_refused(local, tmp_path, kind):
    folder = write_folder(tmp_path / "source", {"a": b"1", "sub/b": b"2"})
    if kind == "pipe":
        os.mkfifo(folder / "sub" / "odd")
    else:
        (folder / "sub" / "odd").symlink_to({"file": folder / "a", "folder": folder, "dangling": "nowhere"}[kind])
    with pytest.raises(GituneError, match="odd is not a plain file"):
        local.put_tree(folder)


def test_a_file_that_cannot_be_read_is_named(registry, tmp_path):
    with pytest.raises(GituneError, match=r"cannot read .*gone"):
        registry.put_file(tmp_path / "gone")
    with pytest.raises(GituneError, match=r"cannot read .*gone"):
        registry.put_tree(tmp_path / "gone")


def test_the_same_bytes_are_stored_once(local, tmp_path):
    first = local.put_bytes(b"weights")
    before = blob_file(tmp_path, first.digest).stat().st_ino
    (tmp_path / "copy").write_bytes(b"weights")
    assert local.put_file(tmp_path / "copy") == first
    assert blob_file(tmp_path, first.digest).stat().st_ino == before


@pytest.mark.parametrize("damaged", [b"weight", b"Weights", b"weights and more", b""])
def test_a_damaged_blob_is_told_and_written_again(tmp_path, damaged):
    def opened():  # another process: nothing is remembered
        return open_registry("store", tmp_path, tmp_path / "cache")

    artifact = opened().put_bytes(b"weights")
    path = blob_file(tmp_path, artifact.digest)
    path.unlink()
    path.write_bytes(damaged)
    assert opened().exists(artifact) == (len(damaged) == len(b"weights"))
    for look in (opened().fetch, opened().read):
        with pytest.raises(RegistryError, match=f"artifact {artifact.digest} is damaged") as caught:
            look(artifact)
        assert "apply again" in caught.value.hint
    opened().put_bytes(b"weights")
    assert opened().fetch(artifact).read_bytes() == b"weights"


def test_a_lost_blob_is_told(registry):
    lost = Artifact(digest=digest_bytes(b"lost"), size=4)
    assert not registry.exists(lost)
    for look in (registry.fetch, registry.read):
        with pytest.raises(RegistryError, match=f"artifact {lost.digest} is missing"):
            look(lost)


@pytest.mark.parametrize("gone", ["file", "manifest"])
def test_a_tree_that_lacks_a_part_does_not_exist(local, tmp_path, gone):
    artifact = local.put_tree(write_folder(tmp_path / "source", {"a": b"1", "b": b"22"}))
    blob_file(tmp_path, digest_bytes(b"22") if gone == "file" else artifact.digest).unlink()
    assert not local.exists(artifact)
    with pytest.raises(RegistryError, match="is missing"):
        local.fetch(artifact)
    assert not list((tmp_path / "cache" / "trees").glob("*"))


def test_a_local_blob_is_used_in_place_and_a_tree_by_hard_links(local, tmp_path):
    blob = local.put_bytes(b"rows")
    assert local.fetch(blob) == blob_file(tmp_path, blob.digest)
    tree = local.put_tree(write_folder(tmp_path / "source", {"sub/adapter.bin": b"weights"}))
    fetched = local.fetch(tree) / "sub" / "adapter.bin"
    assert fetched.stat().st_ino == blob_file(tmp_path, digest_bytes(b"weights")).stat().st_ino
    assert fetched.stat().st_mode & 0o222 == 0


def test_a_damaged_cache_is_made_again(tmp_path):
    store = open_store("memory:///", tmp_path)

    def opened():
        return Registry(store, tmp_path / "cache")

    tree = opened().put_tree(write_folder(tmp_path / "source", {"a": b"weights", "b": b"config"}))
    blob = opened().put_bytes(b"rows")
    folder, file = opened().fetch(tree), opened().fetch(blob)
    damage(folder / "a")
    (folder / "extra").write_bytes(b"not of this tree")
    damage(file)
    assert read_folder(opened().fetch(tree)) == {"a": b"weights", "b": b"config"}
    assert opened().fetch(blob).read_bytes() == b"rows"
    (folder / "link").symlink_to("a")
    assert sorted(read_folder(opened().fetch(tree))) == ["a", "b"]


def test_what_was_fetched_is_not_read_again(local, tmp_path):
    artifact = local.put_bytes(b"weights")
    local.fetch(artifact)
    path = blob_file(tmp_path, artifact.digest)
    times = path.stat()
    damage(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert local.fetch(artifact) == path  # stat says nothing changed, so it was not read
    os.utime(path)
    with pytest.raises(RegistryError, match="is damaged"):
        local.fetch(artifact)


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../b", "", "a//b", "./a", "a/"])
def test_a_manifest_that_names_places_outside_is_refused(registry, tmp_path, name):
    blob = registry.put_bytes(b"x")
    manifest = canonical_json({"files": {name: {"digest": blob.digest, "size": 1}}})
    artifact = Artifact(digest=registry.put_bytes(manifest).digest, size=1, kind="tree")
    with pytest.raises(RegistryError, match="outside"):
        registry.fetch(artifact)
    assert not registry.exists(artifact)


@pytest.mark.parametrize("digest", ["", "../../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_a_digest_that_could_lead_elsewhere_is_refused(registry, digest):
    with pytest.raises(RegistryError, match="not a sha256"):
        registry.read(Artifact(digest=digest, size=1))


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_a_file_that_changes_while_it_is_stored_is_not_stored(store, tmp_path, size):
    (tmp_path / "file").write_bytes(b"x" * size)
    with pytest.raises(RegistryError, match="changed while it was being stored"):
        store.put_stream(blob_key("a" * 64), _unchanged(tmp_path / "file", "a" * 64))
    assert store.size(blob_key("a" * 64)) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_file_is_never_held_in_memory(tmp_path):
    source = tmp_path / "weights"
    with source.open("wb") as file:
        file.truncate(64 << 20)
    command = [sys.executable, Path(__file__).with_name("writers.py"), "measured", tmp_path / "store", source]
    grown = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert grown < 8 << 20
