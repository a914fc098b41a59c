"""Disks that are full or read-only: one clear error, nothing half-written, and all is well once there is room."""

import contextlib
import os
import shutil
import subprocess

import pytest

from runner.errors import RegistryError
from runner.registry.registry import Registry
from runner.registry.store import open_store


def mount(*options):
    program = shutil.which("mount")
    done = program and subprocess.run([program, *options], check=False, capture_output=True)
    if not done or done.returncode:
        pytest.skip("may not mount here")


@pytest.fixture
def disk(tmp_path):
    """A disk of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount("-t", "tmpfs", "-o", "size=1m", "tmpfs", folder)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def files(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_full_disk_is_told_and_nothing_is_lost(disk, tmp_path, make_record, make_version, make_deployment):
    registry = Registry(open_store(str(disk / "store"), tmp_path), tmp_path / "cache")
    (tmp_path / "large").write_bytes(os.urandom(2_000_000))
    registry.add_record(make_record())
    before = files(disk)
    with pytest.raises(RegistryError, match=r"cannot write blobs/.*No space left on device") as caught:
        registry.put_file(tmp_path / "large")
    assert "free space" in caught.value.hint
    assert files(disk) == before

    # To the last byte: not even a record fits.
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    writes = (
        lambda: registry.add_record(make_record(key="b" * 64)),
        lambda: registry.release(make_version()),
        lambda: registry.append_deployment(make_deployment(1)),
        lambda: registry.put_bytes(b"x"),
    )
    for write in writes:
        with pytest.raises(RegistryError, match="No space left on device"):
            write()
    filler.unlink()
    assert files(disk) == before
    assert registry.record("train", "a" * 64)
    for write in writes:
        write()
    assert registry.live("support", "production")


def test_a_full_cache_is_told_and_holds_nothing_half(disk, tmp_path):
    store = open_store("memory:///", tmp_path)
    artifact = Registry(store, tmp_path / "other").put_bytes(os.urandom(2_000_000))
    registry = Registry(store, disk / "cache")
    with pytest.raises(RegistryError, match=r"cannot keep a copy below .*No space left on device") as caught:
        registry.fetch(artifact)
    assert "free space" in caught.value.hint
    assert [path for path in files(disk) if path.name != "in-use"] == []


def test_a_store_that_may_only_be_read_can_be_read(disk, tmp_path, make_record, make_deployment):
    registry = Registry(open_store(str(disk / "store"), tmp_path), tmp_path / "cache")
    rows = registry.put_bytes(b"rows")
    registry.add_record(make_record(outputs={"rows": rows}))
    before = files(disk)
    mount("-o", "remount,ro", disk)
    reader = Registry(open_store(str(disk / "store"), tmp_path), tmp_path / "cache")
    assert reader.record("train", "a" * 64).outputs == {"rows": rows}
    assert reader.fetch(rows).read_bytes() == reader.read(rows) == b"rows"
    assert reader.put_bytes(b"rows") == rows  # nothing to write
    for write in (
        lambda: reader.put_bytes(b"new"),
        lambda: reader.add_record(make_record()),
        lambda: reader.append_deployment(make_deployment(1)),
    ):
        with pytest.raises(RegistryError, match=r"cannot write .* in the store .*: Read-only file system") as caught:
            write()
        assert "permissions" in caught.value.hint
    assert files(disk) == before
    mount("-o", "remount,rw", disk)
    reader.append_deployment(make_deployment(1))
