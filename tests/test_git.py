"""What git says about real repositories, and about places that are none."""

import os
import subprocess
from pathlib import Path

import pytest

from runner.errors import GituneError
from runner.git import (
    Blob,
    Checkout,
    Past,
    changed_paths,
    dirty,
    is_ancestor,
    list_blobs,
    merge_base,
    read_checkout,
    resolve_commit,
    show,
    write_blobs,
)


@pytest.fixture(autouse=True)
def plain_git(monkeypatch, tmp_path):
    """No configuration, identity or workflow of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "GITHUB_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "Ann")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "ann@example.org")


@pytest.fixture
def repo(tmp_path):
    root = tmp_path / "repo"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    return root


def git(root, *arguments):
    return subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def commit(root, files):
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "change")
    return git(root, "rev-parse", "HEAD")


def test_a_place_that_is_no_repository(tmp_path):
    (tmp_path / "plain").mkdir()
    for root in (tmp_path / "plain", tmp_path / "missing"):
        assert read_checkout(root) == Checkout(root, None, None)
        assert dirty(root, ["specs"]) == []
        assert is_ancestor(root, "a" * 40, "b" * 40) is None
        assert show(root, "HEAD", "a") is None


def test_a_repository_without_commits(repo):
    assert read_checkout(repo) == Checkout(repo, None, "main")
    (repo / "new").write_bytes(b"")
    assert dirty(repo, ["."]) == ["new"]


def test_commit_and_branch(repo):
    head = commit(repo, {"sub/a": b"1"})
    git(repo, "switch", "-q", "-c", "feature/ünï")
    assert read_checkout(repo) == Checkout(repo, head, "feature/ünï")
    assert read_checkout(repo / "sub") == Checkout(repo / "sub", head, "feature/ünï")


@pytest.mark.parametrize(
    ("environment", "branch"),
    [
        ({}, None),
        ({"GITHUB_REF_NAME": "main"}, "main"),
        ({"GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "branch", "GITHUB_SHA": "HEAD"}, "main"),
        ({"GITHUB_REF_NAME": "12/merge", "GITHUB_REF_TYPE": "branch", "GITHUB_SHA": "HEAD"}, "12/merge"),
        # pull_request_target: the variables tell of the base branch, the checkout is the stranger's commit
        ({"GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "branch", "GITHUB_SHA": "a" * 40}, None),
        ({"GITHUB_REF_NAME": "main", "GITHUB_REF_TYPE": "tag", "GITHUB_SHA": "HEAD"}, None),
    ],
)
def test_the_branch_of_a_detached_head(repo, monkeypatch, environment, branch):
    head = commit(repo, {"a": b"1"})
    git(repo, "switch", "-q", "--detach")
    for name, value in environment.items():
        monkeypatch.setenv(name, value.replace("HEAD", head))
    assert read_checkout(repo) == Checkout(repo, head, branch)


def test_a_branch_counts_more_than_the_workflow(repo, monkeypatch):
    commit(repo, {"a": b"1"})
    monkeypatch.setenv("GITHUB_REF_NAME", "other")
    assert read_checkout(repo).branch == "main"


def test_a_hook_of_another_repository_does_not_confuse(repo, tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    head = commit(repo, {"a": b"1"})
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert read_checkout(repo).commit == head
    assert dirty(repo, ["a"]) == []


def test_git_is_started_once_where_nothing_has_changed(repo, monkeypatch):
    commit(repo, {"specs/a": b"1"})
    started, real = [], subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *given, **more: started.append(given) or real(*given, **more))
    assert dirty(repo, ["specs"]) == []
    assert len(started) == 1


def test_what_is_not_committed(repo):
    commit(
        repo, {"specs/a/spec.yaml": b"1", "specs/a/old": b"moved moved moved", "specs/b": b"2", ".gitignore": b"*.tmp"}
    )
    assert dirty(repo, ["specs"]) == []
    (repo / "specs" / "a" / "spec.yaml").write_bytes(b"2")
    (repo / "specs" / "a" / "old").rename(repo / "specs" / "a" / "new")
    (repo / "specs" / "a" / "x y\n é.jsonl").write_bytes(b"")
    (repo / "specs" / "a" / "ignored.tmp").write_bytes(b"")
    git(repo, "rm", "-q", "specs/b")
    git(repo, "add", "specs/a/new")
    inside = ["specs/a/new", "specs/a/old", "specs/a/spec.yaml", "specs/a/x y\n é.jsonl"]
    assert sorted(dirty(repo, ["specs"])) == [*inside, "specs/b"]
    assert sorted(dirty(repo, ["specs/a", "nowhere"])) == inside
    assert dirty(repo, ["specs/a/spec.yaml"]) == ["specs/a/spec.yaml"]
    assert dirty(repo, []) == []


def test_names_are_relative_to_the_folder_that_was_asked_about(repo):
    commit(repo, {"ml/specs/a": b"1", "other": b"1"})
    (repo / "ml" / "specs" / "a").write_bytes(b"2")
    (repo / "other").write_bytes(b"2")
    assert dirty(repo / "ml", ["specs"]) == ["specs/a"]
    assert dirty(repo / "ml", ["../other"]) == ["../other"]


def test_patterns_are_taken_literally(repo):
    commit(repo, {"a": b"1", "*": b"1"})
    (repo / "a").write_bytes(b"2")
    assert dirty(repo, ["*", ":(glob)**"]) == []


def test_ancestry(repo):
    first = commit(repo, {"a": b"1"})
    second = commit(repo, {"a": b"2"})
    git(repo, "switch", "-q", "-c", "side", first)
    side = commit(repo, {"b": b"1"})
    assert is_ancestor(repo, first, second) is True
    assert is_ancestor(repo, first, first) is True
    assert is_ancestor(repo, second, first) is False
    assert is_ancestor(repo, second, side) is False
    assert is_ancestor(repo, "a" * 40, side) is None
    assert is_ancestor(repo, "--all", side) is None


def test_ancestry_in_a_shallow_clone_is_told_only_when_known(repo, tmp_path):
    first, second, third = (commit(repo, {"a": data}) for data in (b"1", b"2", b"3"))
    git(tmp_path, "clone", "-q", "--depth", "2", repo.as_uri(), "shallow")
    shallow = tmp_path / "shallow"
    assert is_ancestor(shallow, second, third) is True
    assert is_ancestor(shallow, first, third) is None
    git(shallow, "fetch", "-q", "--depth", "1", "origin", first)
    assert is_ancestor(shallow, first, third) is None  # both commits are here, what joins them is not


def test_a_file_as_of_a_commit(repo):
    first = commit(repo, {"specs/a é": b"one\r\n\xff"})
    commit(repo, {"specs/a é": b"two"})
    assert show(repo, first, "specs/a é") == b"one\r\n\xff"
    assert show(repo, "main", "specs/a é") == b"two"
    assert show(repo / "specs", first, "a é") == b"one\r\n\xff"
    assert show(repo, first, "specs") is None
    assert show(repo, first, "specs/b") is None
    assert show(repo, "a" * 40, "specs/a é") is None
    assert show(repo, "--help", "a") is None


def test_without_git_one_clear_error(repo, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GituneError, match="git is not installed"):
        read_checkout(repo)


def test_a_repository_of_somebody_else_is_not_taken_for_none(repo, monkeypatch):
    commit(repo, {"a": b"1"})
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(GituneError, match="belongs to somebody else") as caught:
        read_checkout(repo)
    assert "safe.directory" in caught.value.hint


def test_a_broken_repository_is_not_taken_for_clean(repo):
    commit(repo, {"a": b"1"})
    (repo / ".git" / "index").write_bytes(b"not an index")
    with pytest.raises(GituneError, match="cannot tell what has changed"):
        dirty(repo, ["a"])


def test_what_differs_between_commits_and_the_working_tree(repo):
    old = commit(repo, {"a": b"1", "sub/b": b"1", "Ünïcode x": b"1"})
    new = commit(repo, {"a": b"2", "c\nd": b"1"})
    assert changed_paths(repo, old, new) == ["a", "c\nd"]
    (repo / "sub/b").unlink()
    (repo / "sub/new").write_bytes(b"")
    assert changed_paths(repo, new, None) == ["sub/b", "sub/new"]
    assert changed_paths(repo / "sub", old, None) == ["b", "new"]
    with pytest.raises(GituneError, match="cannot compare"):
        changed_paths(repo, "0" * 40, None)


def test_references(repo):
    first = commit(repo, {"a": b"1"})
    git(repo, "checkout", "-q", "-b", "topic")
    second = commit(repo, {"a": b"2"})
    assert [resolve_commit(repo, name) for name in ("topic", "HEAD", "main", second[:9])] == [
        second,
        second,
        first,
        second,
    ]
    assert [resolve_commit(repo, name) for name in ("nowhere", "", "--all", "HEAD:a")] == [None] * 4
    assert merge_base(repo, first, second) == first
    git(repo, "checkout", "-q", "--orphan", "alone")
    assert merge_base(repo, first, commit(repo, {"b": b""})) is None


def test_old_files_are_written_as_they_are_stored(repo, tmp_path):
    data = os.urandom(3 << 20)
    old = commit(
        repo,
        {
            "sub/a": data,
            "sub/empty": b"",
            "sub/crlf": b"x\r\ny\n",
            "other": b"",
            ".gitattributes": b"* export-ignore\nsub/crlf text eol=crlf\n",
        },
    )
    commit(repo, {"sub/a": b"new"})
    (repo / "sub/link").symlink_to("a")
    linked = commit(repo, {})
    blobs = list_blobs(repo, old, ["sub"])
    assert sorted(blobs) == ["sub/a", "sub/crlf", "sub/empty"]
    out = tmp_path / "out"
    write_blobs(repo, blobs, out)
    assert (out / "sub/a").read_bytes() == data
    assert (out / "sub/empty").read_bytes() == b""
    assert (out / "sub/crlf").read_bytes() == b"x\ny\n"
    write_blobs(repo, list_blobs(repo, linked, ["sub/link"]), out)
    assert (out / "sub/link").readlink() == Path("a")
    assert list_blobs(repo, old, []) == {}


def test_nothing_is_written_outside_or_through_a_link(repo, tmp_path):
    commit(repo, {"a": b"evil", "b": str(tmp_path).encode()})
    names = {path: blob.name for path, blob in list_blobs(repo, "HEAD", ["a", "b"]).items()}
    with pytest.raises(GituneError, match="outside"):
        write_blobs(repo, {"../escaped": Blob(names["a"], is_link=False)}, tmp_path / "out")
    tree = {"x": Blob(names["b"], is_link=True), "x/escaped": Blob(names["a"], is_link=False)}
    with pytest.raises(OSError, match="exists"):
        write_blobs(repo, tree, tmp_path / "out")
    assert not (tmp_path / "escaped").exists()


def test_a_blob_that_is_not_here(repo, tmp_path):
    commit(repo, {"a": b"1"})
    with pytest.raises(GituneError, match="no content"):
        write_blobs(repo, {"a": Blob("0" * 40, is_link=False)}, tmp_path / "out")


def test_what_the_past_holds(repo):
    first = commit(repo, {"specs/a/spec.yaml": b"1", "specs/b c/spec.yaml": b"1"})
    (repo / "specs/a/spec.yaml").unlink()
    second = commit(repo, {"x": b""})
    third = commit(repo, {"y": b""})
    past = Past(repo, third)
    asked = [
        (first, "specs/a/spec.yaml"),
        (second, "specs/a/spec.yaml"),
        (second, "specs/b c/spec.yaml"),
        (first, "specs/a"),  # a folder is no file
        ("f" * 40, "specs/a/spec.yaml"),  # not here
        ("HEAD", "x"),  # only what is written down in full counts
        ("--help", "x"),
        ("", "x"),
    ]
    assert past.holds(asked) == [True, False, True, False, False, False, False, False]
    assert past.holds([]) == []
    assert Past(repo / "specs", third).holds([(first, "a/spec.yaml")]) == [True]
    assert past.changed_by("specs/a/spec.yaml") == second
    assert past.changed_by("never") is None
    assert not past.is_shallow()


def test_a_shallow_past_knows_that_it_is(repo, tmp_path):
    first = commit(repo, {"a": b"1"})
    second = commit(repo, {"b": b"2"})
    git(tmp_path, "clone", "-q", "--depth", "1", repo.as_uri(), "shallow")
    past = Past(tmp_path / "shallow", second)
    assert past.holds([(first, "a"), (second, "a")]) == [False, True]
    assert past.is_shallow()


def test_names_with_line_breaks_are_refused(repo):
    head = commit(repo, {"a": b"1"})
    with pytest.raises(GituneError, match="line break"):
        Past(repo, head).holds([(head, "a\nb")])


def test_no_tag_passes_for_the_branch_of_a_remote(repo):
    """Whoever may push may push a tag `origin/main`, and CI reads its configuration from that name."""
    (repo / "a").write_text("1")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "main")
    git(repo, "update-ref", "refs/remotes/origin/main", "HEAD")
    main = git(repo, "rev-parse", "HEAD")
    git(repo, "commit", "-q", "--allow-empty", "-m", "forged")
    git(repo, "tag", "origin/main")
    assert resolve_commit(repo, "origin/main") == main
    assert resolve_commit(repo, "refs/tags/origin/main") == git(repo, "rev-parse", "HEAD")


def test_what_may_be_started_is_written_so(repo, tmp_path):
    (repo / "run.sh").write_text("#!/bin/sh\n")
    (repo / "run.sh").chmod(0o755)
    (repo / "plain").write_text("")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "main")
    out = tmp_path / "out"
    out.mkdir()
    write_blobs(repo, list_blobs(repo, git(repo, "rev-parse", "HEAD"), ["."]), out)
    assert [os.access(out / name, os.X_OK) for name in ("run.sh", "plain")] == [True, False]
