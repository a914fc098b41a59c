"""Records in brief: the same as reading all of them, without reading any twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from runner.registry.facts import Artifact, Record
from runner.registry.folder_store import FolderStore
from runner.registry.records import Records
from runner.registry.summaries import Summaries

START = datetime(2026, 1, 1, tzinfo=UTC)


class Counting(FolderStore):
    """A folder that notes what is read."""

    def __init__(self, folder):
        super().__init__(folder)
        self.asked = []

    def read(self, key):
        self.asked.append(key)
        return super().read(key)


class Remote(Counting):
    """One whose objects are no local files."""

    def local_path(self, key):
        return None


def record(number, spec="bot"):
    return Record(
        step="train",
        key=f"{number:064x}",
        inputs={"n": number},
        outputs={"adapter": Artifact(digest=f"{number + 1000:064x}", size=1)},
        spec=spec,
        version="1.0.0",
        started=START,
        finished=START + timedelta(seconds=number),
    )


@pytest.fixture(params=[Counting, Remote])
def store(request, tmp_path):
    store = request.param(tmp_path / "store")
    for number in (2, 1, 3):
        Records(store, lambda _: True).add(record(number))
    store.asked.clear()
    return store


def add(store, *records):
    for one in records:
        Records(store, lambda _: True).add(one)
    store.asked.clear()


def test_newest_first_with_their_outputs(store, tmp_path):
    found = Summaries(store, tmp_path / "cache").all("train")
    assert [int(summary.key, 16) for summary in found] == [3, 2, 1]
    assert found[0].outputs == {"adapter": f"{1003:064x}"}
    assert found[0].finished == (START + timedelta(seconds=3)).timestamp()
    assert Summaries(store, tmp_path / "cache").all("score") == []


def test_only_new_records_are_read(store, tmp_path):
    first = Summaries(store, tmp_path / "cache").all("train")
    assert len(store.asked) == 3
    store.asked.clear()
    assert Summaries(store, tmp_path / "cache").all("train") == first
    assert store.asked == []
    add(store, record(4, "other"))
    assert Summaries(store, tmp_path / "cache").all("train")[0].spec == "other"
    assert store.asked == [f"records/train/{4:064x}/1.json"]


def test_a_record_that_was_healed_or_collected_is_not_remembered(store, tmp_path):
    Summaries(store, tmp_path / "cache").all("train")
    add(store, record(1, "healed"))
    (store.folder / f"records/train/{2:064x}/1.json").unlink()
    found = Summaries(store, tmp_path / "cache").all("train")
    assert [(int(summary.key, 16), summary.spec) for summary in found] == [(3, "bot"), (1, "healed")]


def test_a_damaged_record_gives_way_to_the_one_before(store, tmp_path):
    add(store, record(1, "newer"))
    file = store.folder / f"records/train/{1:064x}/2.json"
    file.unlink()
    file.write_text("{")
    found = {int(summary.key, 16): summary.spec for summary in Summaries(store, tmp_path / "cache").all("train")}
    assert found == {1: "bot", 2: "bot", 3: "bot"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 99}', b'{"format": 1, "records": {"x": 1}}'])
def test_a_broken_cache_only_costs_time(content, store, tmp_path):
    summaries = Summaries(store, tmp_path / "cache")
    found = summaries.all("train")
    (file,) = (tmp_path / "cache").rglob("train.json")
    file.write_bytes(content)
    assert summaries.all("train") == found


def test_a_cache_that_cannot_be_written_stops_nothing(store, tmp_path):
    (tmp_path / "cache").write_text("a file")
    assert len(Summaries(store, tmp_path / "cache").all("train")) == 3


def test_two_stores_do_not_share_a_cache(store, tmp_path):
    Summaries(store, tmp_path / "cache").all("train")
    assert Summaries(FolderStore(tmp_path / "elsewhere"), tmp_path / "cache").all("train") == []
