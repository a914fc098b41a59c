"""A network and a server that fail: once is mended by trying again, for ever is one clear error in bounded time."""

import time
from datetime import timedelta

import pytest
import s3_faults as faults

from runner.digest import digest_bytes
from runner.errors import GituneError, RegistryError, TransientError
from runner.registry.object_store import RANGE
from runner.registry.registry import Registry
from runner.registry.store import open_store

BREAKS = ("500", "503", "reset", "delay")
LARGE = bytes(range(256)) * (20 << 12)  # 20 MB: three parts of an upload, five of a download


@pytest.fixture
def proxy(s3_server, monkeypatch):
    with faults.FaultyProxy(s3_server.port) as proxy:
        s3_server.enter(monkeypatch, proxy.port)
        monkeypatch.setenv("AWS_TIMEOUT", "2s")
        yield proxy


@pytest.fixture
def broken(proxy, s3_server, tmp_path):
    """A store behind the proxy."""
    return open_store(s3_server.url(), tmp_path)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("runner.registry.object_store.PATIENCE", timedelta(seconds=1))


CALLS = {
    "read": ("GET", lambda store: store.read("records/there.json"), b"{}"),
    "size": ("HEAD", lambda store: store.size("records/there.json"), 2),
    "list": ("GET", lambda store: list(store.list("records")), ["records/there.json"]),
    "create": ("PUT", lambda store: store.create("records/new.json", b"{}"), True),
    "create again": ("PUT", lambda store: store.create("records/there.json", b"other"), False),
    "put": ("PUT", lambda store: store.put_stream("blobs/a", [b"bytes"]), None),
    "stream": ("GET", lambda store: b"".join(store.stream("records/there.json")), b"{}"),
    "delete": ("POST", lambda store: store.delete("records/there.json"), True),
}


@pytest.mark.parametrize("kind", BREAKS)
@pytest.mark.parametrize("call", CALLS)
def test_what_fails_once_is_tried_again(proxy, broken, call, kind):
    method, do, expected = CALLS[call]
    broken.create("records/there.json", b"{}")
    proxy.fault(method, kind, seconds=3)
    assert do(broken) == expected
    assert proxy.faults[0].times == 0


@pytest.mark.parametrize("kind", BREAKS)
@pytest.mark.parametrize("call", CALLS)
def test_what_fails_for_ever_is_told_in_time(proxy, broken, impatient, s3_server, tmp_path, call, kind):
    method, do, _ = CALLS[call]
    store = open_store(s3_server.url(), tmp_path)
    store.create("records/there.json", b"{}")
    proxy.fault(method, kind, faults.FOR_EVER, seconds=3)
    began = time.monotonic()
    with pytest.raises(TransientError, match=r"cannot .* in the store s3://gitune-test/") as caught:
        do(store)
    assert time.monotonic() - began < 10
    assert "Apply again later" in caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("kind", ["lost", "lost reset"])
def test_an_object_whose_creation_was_never_confirmed_is_ours(proxy, broken, kind):
    proxy.fault("PUT", kind)
    assert broken.create("records/a.json", b"ours")
    assert broken.read("records/a.json") == b"ours"
    assert not broken.create("records/a.json", b"ours")  # without a doubt, a taken key is taken


@pytest.mark.parametrize("kind", ["500", "lost"])
def test_an_object_that_somebody_else_created_while_we_tried_again_is_not_ours(proxy, broken, s3_server, kind):
    theirs = broken.create("records/a.json", b"theirs")
    proxy.fault("PUT", kind)
    assert theirs
    assert not broken.create("records/a.json", b"ours")
    assert broken.read("records/a.json") == b"theirs"


@pytest.mark.parametrize("kind", ["409", "412"])
def test_a_conflict_over_nothing_is_tried_again(proxy, broken, kind):
    proxy.fault("PUT", kind, 2)
    assert broken.create("records/a.json", b"ours")


@pytest.mark.parametrize("kind", ["409", "412"])
def test_a_conflict_that_never_ends_is_told(proxy, impatient, s3_server, tmp_path, kind):
    store = open_store(s3_server.url(), tmp_path)
    proxy.fault("PUT", kind, faults.FOR_EVER)
    with pytest.raises(TransientError, match="cannot write"):
        store.create("records/a.json", b"ours")


@pytest.mark.parametrize("kind", [*BREAKS, "truncated download"])
def test_a_large_download_that_breaks_goes_on_from_that_part(proxy, broken, kind):
    broken.put_stream("blobs/a", [LARGE])
    asked = proxy.seen.count("GET")
    proxy.fault("GET", kind, 2, seconds=3)
    assert b"".join(broken.stream("blobs/a")) == LARGE
    assert proxy.seen.count("GET") - asked == len(LARGE) // RANGE + 2


@pytest.mark.parametrize("kind", [*BREAKS, "truncated upload", "lost", "lost reset"])
@pytest.mark.parametrize("part", ["partNumber=2", "uploads", "uploadId"])
def test_a_large_upload_that_breaks_goes_on(proxy, broken, kind, part):
    method = "PUT" if part == "partNumber=2" else "POST"
    proxy.fault(method, kind, part=part, seconds=3)
    broken.put_stream("blobs/a", [LARGE])
    assert proxy.faults[0].times == 0
    assert digest_bytes(broken.read("blobs/a")) == digest_bytes(LARGE)


def test_an_upload_whose_end_was_never_confirmed_is_done(proxy, broken):
    """A second try to complete it finds no such upload."""
    for key in ("blobs/a", "blobs/a"):
        proxy.fault("POST", "lost", part="uploadId")
        proxy.fault("POST", "404", part="uploadId")
        broken.put_stream(key, [LARGE, key.encode() * len(proxy.faults)])
        assert all(fault.times == 0 for fault in proxy.faults)
    assert broken.read("blobs/a") == LARGE + b"blobs/a" * 4


def test_an_upload_that_is_gone_is_no_success(proxy, broken):
    proxy.fault("POST", "404", part="uploadId")
    with pytest.raises(GituneError, match="cannot write blobs/a"):
        broken.put_stream("blobs/a", [LARGE])
    assert broken.read("blobs/a") is None


@pytest.mark.parametrize("kind", ["500", "reset", "truncated upload"])
@pytest.mark.parametrize("data", [b"small", LARGE])
def test_an_upload_that_never_ends_is_not_seen(proxy, impatient, s3_server, tmp_path, kind, data):
    store = open_store(s3_server.url(), tmp_path)
    store.put_stream("blobs/old", [b"old"])
    for method in ("PUT", "POST"):
        proxy.fault(method, kind, faults.FOR_EVER)
    for key in ("blobs/old", "blobs/new"):
        with pytest.raises(TransientError, match="cannot write"):
            store.put_stream(key, [data])
    proxy.faults.clear()
    assert store.read("blobs/old") == b"old"
    assert store.read("blobs/new") is None


@pytest.mark.parametrize("look", ["fetch", "read"])
def test_a_bit_that_flips_on_the_way_is_asked_for_again(proxy, s3_server, tmp_path, look):
    registry = Registry(open_store(s3_server.url(), tmp_path), tmp_path / "cache")
    artifact = registry.put_bytes(LARGE)
    proxy.fault("GET", "flipped bit", part="blobs/")
    found = getattr(registry, look)(artifact)
    assert (found if look == "read" else found.read_bytes()) == LARGE
    assert proxy.faults[0].times == 0
    proxy.fault("GET", "flipped bit", faults.FOR_EVER, part="blobs/")
    with pytest.raises(RegistryError, match="is damaged"):
        getattr(Registry(open_store(str(registry._artifacts._store), tmp_path), tmp_path / "new"), look)(artifact)


def test_a_registry_that_cannot_be_reached_is_not_an_empty_one(proxy, impatient, s3_server, tmp_path, make_record):
    """Taking an outage for missing artifacts would train again."""
    url = s3_server.url()
    registry = Registry(open_store(url, tmp_path), tmp_path / "cache")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_bytes(b"weights")
    registry.add_record(make_record(outputs={"adapter": registry.put_tree(tmp_path / "folder")}))
    assert registry.record("train", "a" * 64)
    proxy.fault("GET", "503", faults.FOR_EVER, part="blobs/")
    with pytest.raises(TransientError):
        registry.record("train", "a" * 64)


def test_credentials_that_are_refused_are_told_at_once(s3_server, tmp_path, monkeypatch):
    s3_server.enter(monkeypatch)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wr0ng")
    store = open_store(s3_server.url(), tmp_path)
    began = time.monotonic()
    for do in (lambda: store.read("a"), lambda: store.create("a", b""), lambda: store.put_stream("a", [b"x"])):
        with pytest.raises(GituneError, match="cannot") as caught:
            do()
        assert "credentials" in caught.value.hint
        assert not isinstance(caught.value, TransientError)
        assert "wr0ng" not in str(caught.value)
    assert time.monotonic() - began < 5
