"""The hash chain: whatever is taken away, edited or swapped between a log entry and its records is found."""

import json

import pytest

from runner.digest import digest_json
from runner.registry.chain import record_digest
from runner.registry.facts import Artifact

INPUTS = {"learning_rate": 0.0002}
KEY = digest_json(INPUTS)


@pytest.fixture
def released(local, make_record, make_version, make_deployment):
    """Three versions, deployed one after another, each with the record of its training."""
    record = make_record(key=KEY, inputs=INPUTS, outputs={"adapter": local.put_bytes(b"adapter")})
    local.add_record(record)
    for number in (1, 2, 3):
        name = f"1.{number}.0"
        proof = {"train": record_digest(record)}
        local.release(make_version(name, train_key=KEY, keys={"train": KEY}, records=proof))
        local.append_deployment(make_deployment(number, version=name))
    return local


@pytest.fixture
def change(tmp_path):
    """Return a function that edits a file of the store as an attacker or a bad disk would."""

    def edit(key, old=None, new=None):
        path = tmp_path / "store" / key
        text = path.read_text()
        path.unlink()
        if old is not None:
            assert old in text
            path.write_text(text.replace(old, new))

    return edit


ENTRIES = "deployments/support/production"
DAMAGE = [
    # file, old, new (both None: it is gone), what the live entry says, entries that do not verify
    (f"{ENTRIES}/00000002.json", None, None, "entry 2 is missing", [2, 3]),
    (f"{ENTRIES}/00000001.json", None, None, "entry 1 is missing", [1, 2]),
    (f"{ENTRIES}/00000003.json", "1.3.0", "1.2.0", "entry 3 was edited", [3]),
    (f"{ENTRIES}/00000002.json", "1.2.0", "1.1.0", "entry 2 is not the one that entry 3", [2, 3]),
    ("versions/support/1.3.0.json", '"PASS"', '"FAIL"', "versions/support/1.3.0.json is not the file", [3]),
    ("versions/support/1.2.0.json", '"PASS"', '"FAIL"', None, [2]),
    ("versions/support/1.3.0.json", None, None, "versions/support/1.3.0.json is not the file", [3]),
    (f"records/train/{KEY}/1.json", None, None, "the record of train that 1.3.0 was released with is missing", []),
    (f"records/train/{KEY}/1.json", "0.0002", "0.0003", "the record of train that 1.3.0", []),
]


def test_what_is_whole_verifies(released):
    live = released.live("support", "production")
    assert live.proof.previous is not None
    assert released.broken_link(live) is None
    assert released.broken_links("support", "production") == {}
    assert released.swapped(released.version("support", "1.1.0"), "production") is None


@pytest.mark.parametrize(("file", "old", "new", "fault", "broken"), DAMAGE)
def test_damage_is_found(released, change, file, old, new, fault, broken):
    live = released.live("support", "production")
    change(file, old, new)
    found = released.broken_link(released.live("support", "production") or live)
    assert (found or "").startswith(fault or "")
    assert (found is None) == (fault is None)
    assert list(released.broken_links("support", "production")) == broken


def test_a_record_whose_adapter_was_swapped_is_found(released, make_record, change):
    digest = released.record("train", KEY).outputs["adapter"].digest
    change(f"records/train/{KEY}/1.json", digest, "e" * 64)
    assert "the record of train" in released.broken_link(released.live("support", "production"))


def test_a_record_that_was_healed_still_verifies(released, make_record):
    again = {"adapter": released.put_bytes(b"adapter"), "timings": Artifact(digest="f" * 64, size=1)}
    released.add_record(make_record(key=KEY, inputs=INPUTS, outputs=again))
    assert released.broken_link(released.live("support", "production")) is None


def test_a_version_that_was_swapped_is_told_before_it_is_deployed_again(released, change):
    change("versions/support/1.1.0.json", '"PASS"', '"FAIL"')
    fault = released.swapped(released.version("support", "1.1.0"), "production")
    assert fault == "versions/support/1.1.0.json is not the file that entry 1 deployed"
    assert released.broken_link(released.live("support", "production")) is None


def strip(change, tmp_path, number):
    """Make an entry what an older release wrote."""
    path = tmp_path / "store" / ENTRIES / f"{number:08d}.json"
    value = json.loads(path.read_text())
    del value["proof"]
    path.unlink()
    path.write_text(json.dumps(value))


def test_entries_of_an_older_release_are_accepted_only_before_the_first_proof(
    local, make_version, make_deployment, change, tmp_path
):
    for number in (1, 2):
        local.release(make_version(f"1.{number}.0"))
        local.append_deployment(make_deployment(number, version=f"1.{number}.0"))
        strip(change, tmp_path, number)
    assert local.broken_link(local.live("support", "production")) is None
    local.release(make_version("1.3.0"))
    local.append_deployment(make_deployment(3, version="1.3.0"))
    assert local.broken_links("support", "production") == {}
    local.append_deployment(make_deployment(4, version="1.3.0"))
    strip(change, tmp_path, 4)
    assert (
        local.broken_link(local.live("support", "production")) == "entry 4 carries no proof, though one before it does"
    )
    assert list(local.broken_links("support", "production")) == [4]


def test_what_a_newer_release_adds_is_sealed_too(released, change):
    path = f"{ENTRIES}/00000003.json"
    change(path, '"alias"', '"added later": 1, "alias"')
    assert "entry 3 was edited" in released.broken_link(released.live("support", "production"))
