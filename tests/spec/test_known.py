"""What was read before is read the same again, and never when the file or the code that reads it is another."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import SpecError
from runner.spec import known as known_module
from runner.spec import yaml_file
from runner.spec.known import KnownDocuments
from runner.spec.load import load_specs
from runner.spec.yaml_file import read_yaml
from runner.spec.yaml_tree import read_tree

TEXT = "a: 1\nb: [x, 2.50, {c: yes please}]\nd: null\n"


@pytest.fixture
def parsed(monkeypatch):
    """Names of the files that were parsed."""
    names = []
    real = yaml_file._parse
    monkeypatch.setattr(yaml_file, "_parse", lambda text, name: names.append(name) or real(text, name))
    return names


def read(root: Path, name: str = "x.yaml"):
    """Read a file as a command does that knows what earlier ones saw."""
    known = KnownDocuments(root / "cache")
    document = read_yaml(root / name, root, known)
    known.save()
    return document


def put(root: Path, text: str, name: str = "x.yaml"):
    (root / name).write_text(text)
    return root


def alike(one, other) -> bool:
    """Whether two documents say the same; 1, 1.0 and True differ."""
    return (json.dumps(one.data), dict(one.places), dict(one.sources), one.findings, one.file) == (
        json.dumps(other.data),
        dict(other.places),
        dict(other.sources),
        other.findings,
        other.file,
    )


def test_is_parsed_once(tmp_path, parsed):
    first = read(put(tmp_path, TEXT))
    again = read(tmp_path)
    assert parsed == ["x.yaml"]
    assert alike(first, again)
    assert alike(again, pickle.loads(pickle.dumps(again)))
    assert str(again.where("b.2.c")) == "x.yaml:2:15"
    assert str(again.where("b.2.c.more")) == "x.yaml:2:15"


def test_an_edit_never_hides(tmp_path, parsed):
    """Not behind the size, nor the times, nor the inode."""
    read(put(tmp_path, TEXT))
    before = (tmp_path / "x.yaml").stat()
    with (tmp_path / "x.yaml").open("r+") as file:
        file.write("a: 7")
    os.utime(tmp_path / "x.yaml", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read(tmp_path).data["a"] == 7
    assert parsed == ["x.yaml"] * 2


def test_the_way_back_is_known(tmp_path, parsed):
    for text in (TEXT, "a: 2\n", TEXT):
        read(put(tmp_path, text))
    assert len(parsed) == 2


def test_the_same_bytes_in_another_file_keep_its_name(tmp_path, parsed):
    read(put(tmp_path, TEXT))
    assert str(read(put(tmp_path, TEXT, "y.yaml"), "y.yaml").where("a")) == "y.yaml:1:1"
    assert parsed == ["x.yaml"]


def test_other_code_reads_anew(tmp_path, parsed, monkeypatch):
    read(put(tmp_path, TEXT))
    monkeypatch.setattr(known_module, "__version__", "99.0.0")
    read(tmp_path)
    monkeypatch.setattr(known_module, "_READERS", (*known_module._READERS, "load.py"))
    read(tmp_path)
    assert len(parsed) == 3


def test_code_that_cannot_be_told_apart_is_never_relied_on(tmp_path, parsed, monkeypatch):
    monkeypatch.setattr(known_module, "_READERS", ("gone.py",))
    read(put(tmp_path, TEXT))
    read(tmp_path)
    assert len(parsed) == 2


def test_what_there_is_to_tell_is_told_each_time(tmp_path, parsed):
    for text in ("a: yes\n", "a: 1\na: 2\n"):
        put(tmp_path, text)
        assert read(tmp_path).findings == read(tmp_path).findings != ()
    put(tmp_path, "a: [1\n")
    for _ in range(2):
        with pytest.raises(SpecError, match=r"x\.yaml:"):
            read(tmp_path)
    assert len(parsed) == 6


def test_checks_that_look_at_other_files_are_made_each_time(repository, design):
    repository.file.write_text(design)
    for _ in range(2):
        known = KnownDocuments(repository.root / "cache")
        assert load_specs(repository.root, known=known)
        known.save()
    (repository.file.parent / "output.schema.json").unlink()
    with pytest.raises(SpecError, match="there is no file"):
        load_specs(repository.root, known=KnownDocuments(repository.root / "cache"))


@pytest.mark.parametrize("place", range(0, 330, 7))
def test_a_flipped_bit_is_noticed(tmp_path, place):
    read(put(tmp_path, TEXT))
    fresh = read_tree(TEXT, "x.yaml")
    file = tmp_path / "cache" / "documents"
    data = bytearray(file.read_bytes())
    data[place % len(data)] ^= 4
    file.write_bytes(data)
    assert alike(read(tmp_path), fresh)


@pytest.mark.parametrize("content", [b"", b"\n", b"\n\n", b"junk", b"\xff\xfe\n\xff \xff\n"])
def test_any_content_of_the_cache_will_do(tmp_path, content):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "documents").write_bytes(content)
    assert read(put(tmp_path, TEXT)).data["a"] == 1


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "cache").write_text("in the way")
    assert read(put(tmp_path, TEXT)).data["a"] == 1


def test_what_was_not_asked_for_makes_room(tmp_path, parsed, monkeypatch):
    for name in "abcd":
        put(tmp_path, f"{name}: 1\n", name)
    monkeypatch.setattr(known_module, "LARGEST", 200)
    for names in ("ab", "ac", "acb"):
        known = KnownDocuments(tmp_path / "cache")
        for name in names:
            read_yaml(tmp_path / name, tmp_path, known)
        known.save()
    assert parsed == ["a", "b", "c", "b"]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(values)
def test_what_is_remembered_is_what_was_read(tmp_path_factory, value):
    text = yaml.safe_dump(value, allow_unicode=True)
    folder = tmp_path_factory.mktemp("known")
    try:
        fresh = read_tree(text, "x.yaml")
    except (SpecError, yaml.YAMLError):
        return
    known = KnownDocuments(folder)
    known.add(text.encode(), fresh)
    known.save()
    found = KnownDocuments(folder).find(text.encode(), "x.yaml")
    assert (found is None) == bool(fresh.findings)
    assert found is None or alike(found, fresh)
