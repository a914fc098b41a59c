"""A file is read again exactly when it may have changed."""

import json
import os
import time

import pytest

from runner import file_index
from runner.digest import digest_bytes, digest_file
from runner.errors import GituneError
from runner.file_index import FileIndex


@pytest.fixture
def reads(monkeypatch):
    """The names of files whose content was read, in order."""
    seen = []

    def counting(path):
        seen.append(path.name)
        return digest_file(path)

    monkeypatch.setattr(file_index, "digest_file", counting)
    return seen


@pytest.fixture
def settled(tmp_path, monkeypatch):
    """A file that was last written long enough ago to be told from one written now."""
    monkeypatch.setattr(file_index, "_FINE_TICK", 20_000_000)
    path = tmp_path / "data.jsonl"
    path.write_bytes(b"one")
    os.utime(path, ns=(1_700_000_000_123_456_789,) * 2)
    time.sleep(0.03)  # the change time cannot be set, only waited for
    return path


def remembered(cache, path):
    index = FileIndex(cache)
    digest = index.digest(path)
    index.save()
    return digest


def test_an_unchanged_file_is_read_once(tmp_path, settled, reads):
    assert [remembered(tmp_path / "cache", settled) for _ in range(3)] == [digest_bytes(b"one")] * 3
    assert reads == ["data.jsonl"]


def test_within_one_run_a_file_is_read_once(tmp_path, settled, reads):
    index = FileIndex(tmp_path / "cache")
    assert index.digest(settled) == index.digest(settled)
    assert reads == ["data.jsonl"]


def longer(path):
    path.write_bytes(b"longer")


def same_size(path):
    path.write_bytes(b"two")


def same_size_and_time(path):
    times = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def replaced_with_same_size_and_time(path):
    other = path.with_name("other")
    other.write_bytes(b"two")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [longer, same_size, same_size_and_time, replaced_with_same_size_and_time])
def test_a_changed_file_is_read_again(tmp_path, settled, change):
    remembered(tmp_path / "cache", settled)
    change(settled)
    assert remembered(tmp_path / "cache", settled) == digest_bytes(settled.read_bytes()) != digest_bytes(b"one")


def test_a_file_written_just_now_is_not_remembered(tmp_path, reads):
    path = tmp_path / "fresh"
    for _ in range(2):
        path.write_bytes(b"one")
        remembered(tmp_path / "cache", path)
    assert reads == ["fresh", "fresh"]


def test_a_file_from_the_future_is_not_remembered(tmp_path, settled, reads):
    os.utime(settled, (time.time() + 3600,) * 2)
    for _ in range(2):
        remembered(tmp_path / "cache", settled)
    assert reads == ["data.jsonl"] * 2


@pytest.mark.parametrize(
    ("touched_ns", "now_ns", "settled"),
    [
        (5_000_000_001, 5_050_000_000, False),  # within a tick of the kernel's clock
        (5_000_000_001, 5_200_000_000, True),
        (5_000_000_000, 6_500_000_000, False),  # whole seconds: a file system that knows nothing finer
        (5_000_000_000, 7_500_000_000, True),
        (5_000_000_001, 5_000_000_001, False),
        (9_000_000_001, 5_000_000_000, False),
    ],
)
def test_the_racy_rule(touched_ns, now_ns, settled, tmp_path):
    seconds = [0] * 10
    times = {"st_mtime_ns": touched_ns, "st_ctime_ns": touched_ns - 1_000_000_000}
    assert file_index._is_settled(os.stat_result(seconds, times), now_ns) == settled


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"format": 0, "files": {}}',
        b'{"format": 1, "files": []}',
        b'{"format": 1, "files": {"/a": "x"}}',
        b'{"format": 1, "files": {"/a": [1, 2, 3, 4]}}',
        b'{"format": 1, "files": {"/a": [1, 2, 3, 4, null]}}',
    ],
)
def test_a_corrupt_index_starts_anew(tmp_path, settled, content):
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "file_index.json").write_bytes(content)
    assert remembered(cache, settled) == digest_bytes(b"one")
    assert list(json.loads((cache / "file_index.json").read_bytes())["files"]) == [str(settled)]


def test_files_that_are_gone_are_forgotten(tmp_path, settled):
    other = tmp_path / "other"
    other.write_bytes(b"two")
    time.sleep(0.03)
    index = FileIndex(tmp_path / "cache")
    index.digest(settled)
    index.digest(other)
    settled.unlink()
    index.save()
    assert list(json.loads((tmp_path / "cache" / "file_index.json").read_bytes())["files"]) == [str(other)]
    with pytest.raises(GituneError, match=r"cannot read .*data\.jsonl"):
        FileIndex(tmp_path / "cache").digest(settled)


def test_an_index_that_cannot_be_kept_stops_nothing(tmp_path, settled):
    (tmp_path / "cache").write_bytes(b"a file where the folder should be")
    assert remembered(tmp_path / "cache", settled) == digest_bytes(b"one")


def test_saving_leaves_nothing_but_the_index(tmp_path, settled):
    remembered(tmp_path / "cache", settled)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["file_index.json"]


def test_a_file_is_known_by_its_absolute_path(tmp_path, settled, reads, monkeypatch):
    remembered(tmp_path / "cache", settled)
    monkeypatch.chdir(tmp_path)
    remembered(tmp_path / "cache", settled.relative_to(tmp_path))
    assert reads == ["data.jsonl"]
