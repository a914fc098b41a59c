"""A store says what it is; an empty one is told apart from one that was used."""

import json

import pytest

from runner.errors import RegistryError
from runner.registry.registry import Registry, open_registry
from runner.registry.store import open_store


def test_the_first_write_marks_a_store_once(store, tmp_path):
    registry = Registry(store, tmp_path / "cache")
    assert not registry.check_layout()
    assert store.read("gitune.json") is None  # looking writes nothing
    registry.put_bytes(b"x")
    marker = json.loads(store.read("gitune.json"))
    assert marker["format"] == 1
    assert len(marker["id"]) == 32
    Registry(store, tmp_path / "cache").put_bytes(b"y")
    assert json.loads(store.read("gitune.json")) == marker
    assert Registry(store, tmp_path / "cache").check_layout()


@pytest.mark.parametrize("kind", ["record", "failure", "version", "deployment", "file", "tree"])
def test_every_kind_of_write_marks(
    registry, store, tmp_path, kind, make_record, make_failure, make_version, make_deployment
):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a").write_bytes(b"1")
    {
        "record": lambda: registry.add_record(make_record()),
        "failure": lambda: registry.add_failure(make_failure()),
        "version": lambda: registry.release(make_version()),
        "deployment": lambda: registry.append_deployment(make_deployment(1)),
        "file": lambda: registry.put_file(tmp_path / "source" / "a"),
        "tree": lambda: registry.put_tree(tmp_path / "source"),
    }[kind]()
    assert store.read("gitune.json")


def test_a_store_of_an_earlier_release_is_not_empty(local, tmp_path, make_record):
    local.add_record(make_record())
    (tmp_path / "store" / "gitune.json").unlink()
    assert open_registry("store", tmp_path, tmp_path / "cache").check_layout()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"format": 2, "id": "x", "created": "2027-01-01T00:00:00Z"}', "layout 2"),
        ("{", "cannot be read"),
        ("", "read"),
    ],
)
def test_a_store_that_this_release_would_misread_is_refused(tmp_path, text, told):
    store = open_store("store", tmp_path)
    store.create("gitune.json", text.encode())
    with pytest.raises(RegistryError, match=told) as caught:
        open_registry("store", tmp_path, tmp_path / "cache")
    assert caught.value.hint
