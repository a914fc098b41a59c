"""Patterns of a spec -> files."""

from __future__ import annotations

import pytest

from runner.data.sources import source_files
from runner.errors import Location, SpecError


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "repo"
    data = root / "specs" / "x" / "data"
    (data / "more").mkdir(parents=True)
    for name in ("b.jsonl", "a.jsonl", "more/c.jsonl", ".hidden.jsonl"):
        (data / name).write_text("{}\n")
    (root / "shared.jsonl").write_text("{}\n")
    (tmp_path / "secret.jsonl").write_text("{}\n")
    (data / "out.link").symlink_to(tmp_path / "secret.jsonl")
    (data / "away").symlink_to(tmp_path)
    (data / "loop").symlink_to(data / "loop")
    (data / "in.link").symlink_to(data / "a.jsonl")
    return root


def names(root, *patterns):
    return [
        path.relative_to(root / "specs/x").as_posix() for path in source_files(patterns, root / "specs" / "x", root)
    ]


def test_globs_are_sorted_and_files_named_once(root):
    assert names(root, "data/*.jsonl") == ["data/a.jsonl", "data/b.jsonl"]
    assert names(root, "data/b.jsonl", "data/*.jsonl", "data/in.link") == ["data/a.jsonl", "data/b.jsonl"]
    assert names(root, "data/more/**") == ["data/more/c.jsonl"]
    assert names(root) == []


def test_data_may_lie_elsewhere_in_the_repository(root):
    assert source_files(["../../shared.jsonl"], root / "specs/x", root) == [root / "shared.jsonl"]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("data/none*.jsonl", "matches no file"),
        ("data", "is a folder; write data/"),
        ("/etc/passwd", "absolute"),
        ("../../../secret.jsonl", "leads out"),
        ("data/out.link", "leads out"),
        ("data/away/*.jsonl", "leads out"),
        ("data/away/**", "leads out"),
        ("hf://datasets/a/b@1", "remote"),
        ("s3://bucket/x.jsonl", "remote"),
        ("", "no file name"),
        ("data/\0", "no file name"),
        ("data/[", "matches no file"),
        ("data/loop", "matches no file"),
        ("x" * 5000, "matches no file"),
    ],
)
def test_patterns_that_cannot_be_read_are_refused(root, pattern, words):
    with pytest.raises(SpecError, match=words) as caught:
        names(root, "data/a.jsonl", pattern)
    assert caught.value.problems[0].where == Location("specs/x/spec.yaml")


def test_all_bad_patterns_are_told(root):
    with pytest.raises(SpecError) as caught:
        source_files(["x.jsonl", "y.jsonl"], root / "specs/x", root, Location("s.yaml", 4))
    assert [str(problem.where) for problem in caught.value.problems] == ["s.yaml:4", "s.yaml:4"]


def test_a_repository_behind_a_link_works(root, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(root)
    assert source_files(["data/a.jsonl"], link / "specs" / "x", link) == [link / "specs/x/data/a.jsonl"]
