"""What `ls` and `show` say, and what they say of names that do not exist."""

from __future__ import annotations

import pytest

from runner.errors import RegistryError, UsageError
from runner.registry.inventory import held, names
from runner.registry.lookup import Blob, find, find_version


@pytest.fixture
def kept(registry, make_record, make_version, make_deployment):
    """A registry with a version whose weights are there and one whose weights are lost."""
    weights = registry.put_bytes(b"weights")
    registry.add_record(make_record(outputs={"adapter": weights}))
    for number in ("1.0.0", "1.10.0", "1.9.0"):
        version = make_version(number)
        content = version.content if number == "1.9.0" else version.content.model_copy(update={"adapter": weights})
        registry.release(version.model_copy(update={"content": content}))
    registry.release(make_version("1.0.0", name="other"))
    registry.append_deployment(make_deployment(1))
    registry.append_deployment(make_deployment(2, version="1.10.0"))
    registry.append_deployment(make_deployment(1, alias="staging", version="1.9.0"))
    return weights


def test_names_come_with_numbers_in_order_and_what_is_live(kept, store):
    other, support = names(store)
    assert (other.name, other.versions, other.live) == ("other", ["1.0.0"], {})
    assert support.versions == ["1.0.0", "1.9.0", "1.10.0"]
    assert support.live == {"production": "1.10.0", "staging": "1.9.0"}
    assert [entry.name for entry in names(store, "o*")] == ["other"]


def test_names_reads_no_version(kept, store, monkeypatch):
    read = []
    monkeypatch.setattr(store, "read", lambda key, was=store.read: read.append(key) or was(key))
    names(store)
    assert read == ["deployments/support/production/00000002.json", "deployments/support/staging/00000001.json"]


def test_an_entry_that_took_the_deployment_away_leaves_nothing_live(store):
    store.create("deployments/bot/production/00000001.json", b'{"version": "1.0.0"}')
    store.create("deployments/bot/production/00000002.json", b'{"version": null}')
    assert names(store) == []


def test_a_log_that_cannot_be_read_is_told(store):
    store.create("deployments/bot/production/00000001.json", b"{")
    with pytest.raises(RegistryError, match="is no entry of a deployment log"):
        names(store)


def test_versions_tell_size_aliases_and_lost_weights(kept, store, registry):
    found = {entry.version.version: entry for entry in held(names(store, "support"), registry)}
    assert list(found) == ["1.10.0", "1.9.0", "1.0.0"]
    assert [entry.lost for entry in found.values()] == [False, True, False]
    assert [entry.live for entry in found.values()] == [("production",), ("staging",), ()]
    assert found["1.0.0"].size == len(b"weights")
    assert [entry.version.version for entry in held(names(store, "support"), registry, "1.1*")] == ["1.10.0"]


def test_finds_what_is_named(kept, store, registry):
    assert find("support", store, registry).versions[-1] == "1.10.0"
    assert find("support@1.9.0", store, registry).version == "1.9.0"
    assert find("train/aaaa", store, registry).step == "train"
    blob = find(kept.digest[:8], store, registry)
    assert isinstance(blob, Blob)
    assert (blob.digest, blob.size) == (kept.digest, len(b"weights"))
    assert blob.named_by == ["support@1.0.0 adapter", "support@1.10.0 adapter", f"train/{'a' * 64} adapter"]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("suport", "nothing in the registry is called `suport`", "did you mean `support`?"),
        ("support@2.0.0", "support 2.0.0 is not released", "released: 1.0.0, 1.9.0, 1.10.0"),
        ("trian/aa", "there is no step `trian`", "did you mean `train`?"),
        ("train/bb", "there is no record of train that begins with `bb`", "registry ls"),
        ("00000000", "there is no artifact that begins with `00000000`", "registry ls"),
        ("zzz", "nothing in the registry is called `zzz`", "there are: other, support"),
    ],
)
def test_says_what_there_is_instead(kept, store, registry, text, message, hint):
    with pytest.raises(UsageError) as caught:
        find(text, store, registry)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_a_prefix_of_several_is_refused(kept, store, registry, make_record):
    registry.add_record(make_record(key="a" * 63 + "b"))
    with pytest.raises(UsageError, match="2 of them begin with"):
        find("train/aaaa", store, registry)


def test_a_name_alone_means_what_is_live_or_else_the_newest(kept, store, registry):
    assert find_version("support@1.0.0", store, registry).version == "1.0.0"
    assert find_version("other", store, registry).version == "1.0.0"
    assert find_version("support", store, registry).version == "1.10.0"  # two are live: the newest of all
