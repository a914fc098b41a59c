"""The highest valid record counts, and what is lost heals by the next number."""

import json

import pytest

from runner.errors import RegistryError
from runner.registry.artifacts import blob_key
from runner.registry.facts import STEPS
from runner.registry.registry import open_registry

KEY = "a" * 64


def test_a_record_comes_back_and_the_newest_counts(registry, make_record):
    assert registry.record("train", KEY) is None
    for loss in (0.5, 0.4, 0.3):
        registry.add_record(make_record(metrics={"loss": loss}))
    assert registry.record("train", KEY) == make_record(metrics={"loss": 0.3})
    assert registry.record("score", KEY) is None
    assert registry.record("train", "b" * 64) is None


def test_the_newest_is_newest_by_number_not_by_name(registry, make_record):
    for turn in range(12):
        registry.add_record(make_record(metrics={"turn": turn}))
    assert registry.record("train", KEY).metrics == {"turn": 11}


def test_a_record_whose_artifact_is_lost_is_none_until_the_step_ran_again(local, make_record, tmp_path):
    weights = local.put_bytes(b"weights")
    local.add_record(make_record(outputs={"adapter": weights}))
    assert local.record("train", KEY) is not None
    (tmp_path / "store" / blob_key(weights.digest)).unlink()
    assert local.record("train", KEY) is None
    local.add_record(make_record(outputs={"adapter": local.put_bytes(b"other weights")}))
    assert local.record("train", KEY) is not None
    assert (tmp_path / "store" / "records" / "train" / KEY / "2.json").is_file()


def test_the_highest_valid_number_counts(local, make_record, tmp_path):
    kept, lost = local.put_bytes(b"kept"), local.put_bytes(b"lost")
    local.add_record(make_record(outputs={"adapter": kept}))
    local.add_record(make_record(outputs={"adapter": lost}))
    (tmp_path / "store" / blob_key(lost.digest)).unlink()
    assert local.record("train", KEY).outputs == {"adapter": kept}


def test_a_size_that_is_wrong_is_a_loss(local, make_record, tmp_path):
    weights = local.put_bytes(b"weights")
    local.add_record(make_record(outputs={"adapter": weights}))
    path = tmp_path / "store" / blob_key(weights.digest)
    path.unlink()
    path.write_bytes(b"weigh")
    assert local.record("train", KEY) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"step": "train"}', b"\xff"])
def test_a_record_that_cannot_be_read_does_not_count(local, make_record, tmp_path, content):
    local.add_record(make_record(metrics={"good": 1}))
    folder = tmp_path / "store" / "records" / "train" / KEY
    (folder / "2.json").write_bytes(content)
    (folder / "notes.txt").write_bytes(b"not an entry")
    assert local.record("train", KEY).metrics == {"good": 1}
    local.add_record(make_record(metrics={"good": 2}))
    assert local.record("train", KEY).metrics == {"good": 2}
    assert [record.metrics for record in local.records("train")] == [{"good": 2}]


def test_a_record_in_the_place_of_another_does_not_count(local, make_record, tmp_path):
    local.add_record(make_record(key="b" * 64))
    folder = tmp_path / "store" / "records" / "train"
    (folder / ("b" * 64)).rename(folder / KEY)
    assert local.record("train", KEY) is None


def test_the_newest_record_of_every_key_is_listed(registry, make_record):
    for key in ("a" * 64, "b" * 64):
        for turn in range(2):
            registry.add_record(make_record(key=key, metrics={"turn": turn}))
    registry.add_record(make_record(step="score"))
    found = {record.key: record.metrics for record in registry.records("train")}
    assert found == {"a" * 64: {"turn": 1}, "b" * 64: {"turn": 1}}
    assert list(registry.records("prepare")) == []


def test_a_failure_comes_back(registry, make_failure):
    assert registry.failure("train", KEY) is None
    registry.add_failure(make_failure())
    registry.add_failure(make_failure(message="refused"))
    assert registry.failure("train", KEY) == make_failure(message="refused")


def test_every_step_has_its_place(registry, make_record):
    for step in STEPS:
        registry.add_record(make_record(step=step))
        assert registry.record(step, KEY).step == step


def test_a_key_that_could_lead_elsewhere_is_refused(registry, make_record):
    with pytest.raises(RegistryError, match="cannot be a name"):
        registry.record("train", "../../versions")
    with pytest.raises(RegistryError, match="cannot be a name"):
        registry.add_record(make_record(key="../x"))


def test_a_record_reads_well_and_equal_records_have_equal_bytes(tmp_path, make_record):
    written = []
    for name, inputs in (("one", {"b": 1, "ä": 0.0002}), ("two", {"ä": 0.0002, "b": 1})):
        open_registry(name, tmp_path, tmp_path / "cache").add_record(make_record(inputs=inputs))
        written.append((tmp_path / name / "records" / "train" / KEY / "1.json").read_bytes())
    assert written[0] == written[1]
    text = written[0].decode()
    assert text.endswith("}\n")
    assert '\n "inputs": {\n  "b": 1,\n  "ä": 0.0002\n },\n' in text
    assert list(json.loads(text)) == sorted(json.loads(text))


def test_a_record_of_a_newer_release_is_read(local, make_record, tmp_path):
    local.add_record(make_record())
    path = tmp_path / "store" / "records" / "train" / KEY / "1.json"
    value = json.loads(path.read_bytes()) | {"a_field_added_later": True}
    path.unlink()
    path.write_text(json.dumps(value))
    assert local.record("train", KEY) == make_record()


def test_a_number_that_json_cannot_carry_is_never_written(local, make_record, tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        local.add_record(make_record(metrics={"loss": float("nan")}))
    assert not (tmp_path / "store" / "records").exists()
