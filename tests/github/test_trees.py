"""A proposal's files come as data: the right commit, nothing of it run, nothing of it left."""

from __future__ import annotations

import base64
import os
import subprocess

import pytest
from hubs import Clone

from runner.errors import GituneError, TransientError
from runner.github.trees import credentials, fetch, proposed_tree


@pytest.fixture
def base(clone, hub):
    """A fresh clone, as a job has one."""
    folder = clone.root.parent / "base"
    clone.git("clone", "--quiet", f"file://{clone.root.parent}/app.git", str(folder))
    return Clone(folder)


def open_(hub, clone, **files):
    sha = clone.push("change", **files)
    return f"refs/pull/{hub.open_pull_request('change', 'A change')}/head", sha


def test_its_files_are_there_until_the_block_ends(hub, clone, base):
    ref, sha = open_(hub, clone, a="1")
    with proposed_tree(base.root, ref, sha, {}) as tree:
        assert (tree / "a").read_text() == "1"
        assert Clone(tree).git("rev-parse", "HEAD") == sha
        assert Clone(tree).git("rev-parse", "--verify", "refs/remotes/origin/main")
    assert not tree.exists()
    assert base.git("worktree", "list").count("\n") == 0
    assert base.git("status", "--porcelain") == ""


def test_it_goes_away_after_an_error_too(hub, clone, base):
    ref, sha = open_(hub, clone, a="1")
    with pytest.raises(ZeroDivisionError), proposed_tree(base.root, ref, sha, {}) as tree:
        raise ZeroDivisionError
    assert not tree.exists()
    assert base.git("worktree", "list").count("\n") == 0


def test_a_newer_commit_is_not_taken_for_the_one_that_was_asked(hub, clone, base):
    ref, sha = open_(hub, clone, a="1")
    newer = clone.push("change", a="2")
    hub.sync()
    with (
        pytest.raises(GituneError, match=f"{newer[:12]} by now and not {sha[:12]}"),
        proposed_tree(base.root, ref, sha, {}),
    ):
        pass


def test_what_is_not_there_may_come(base):
    with pytest.raises(TransientError, match="cannot fetch refs/pull/9/head"):
        fetch(base.root, ["refs/pull/9/head"], {})


def test_a_merge_groups_commit_is_fetched_by_its_name(hub, clone, base):
    clone.git("config", "--file", str(clone.root.parent / "app.git/config"), "uploadpack.allowAnySHA1InWant", "true")
    open_(hub, clone, a="1")
    _, head = hub.merge_group(1)
    with proposed_tree(base.root, head, head, {}) as tree:
        assert (tree / "a").read_text() == "1"


def test_a_shallow_clone_gets_its_history(hub, clone, tmp_path):
    ref, sha = open_(hub, clone, a="1")
    folder = tmp_path / "shallow"
    clone.git("clone", "--quiet", "--depth", "1", f"file://{tmp_path}/app.git", str(folder))
    with proposed_tree(folder, ref, sha, {}) as tree:
        assert Clone(tree).git("merge-base", "HEAD", "origin/main") == clone.git("rev-parse", "origin/main")


def test_nothing_of_a_proposal_runs(hub, clone, base, tmp_path):
    witness = tmp_path / "witness"
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {witness}\ncat\n")
    trap.chmod(0o755)
    (base.root / ".git/hooks").mkdir(exist_ok=True)
    for hook in ("post-checkout", "reference-transaction", "post-index-change"):
        (base.root / ".git/hooks" / hook).symlink_to(trap)
    ref, sha = open_(
        hub,
        clone,
        **{
            ".gitattributes": "* filter=evil diff=evil merge=evil\n",
            ".gitconfig": f'[filter "evil"]\n  smudge = {trap}\n',
            ".gitmodules": f'[submodule "x"]\n  path = x\n  url = ext::{trap}\n  update = !{trap}\n',
            ".lfsconfig": "[lfs]\n  url = http://attacker.test/\n",
        },
    )
    with proposed_tree(base.root, ref, sha, {}) as tree:
        assert (tree / ".gitattributes").exists()
    assert not witness.exists()


def test_large_files_stay_pointers(hub, clone, base, tmp_path):
    """Git LFS is a filter of the machine; it would ask the server that the proposal's own file names."""
    seen = tmp_path / "seen"
    base.git("config", "filter.lfs.smudge", f"sh -c 'echo \"skip=$GIT_LFS_SKIP_SMUDGE\" >> {seen}; cat'")
    ref, sha = open_(hub, clone, **{".gitattributes": "data filter=lfs\n", "data": "pointer\n"})
    with proposed_tree(base.root, ref, sha, {}) as tree:
        assert (tree / "data").read_text() == "pointer\n"
    assert set(seen.read_text().split()) == {"skip=1"}


def test_the_token_goes_to_github_alone_and_over_https_alone():
    variables = credentials({"GITHUB_SERVER_URL": "https://github.example"}, "ghs_secret")
    asked = ["git", "config", "--get-urlmatch", "http.extraheader"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}

    def header(url):
        done = subprocess.run([*asked, url], env={**clean, **variables}, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    secret = base64.b64encode(b"x-access-token:ghs_secret").decode()
    assert header("https://github.example/org/app") == f"AUTHORIZATION: basic {secret}"
    for url in ("https://attacker.test/org/app", "http://github.example/org/app", "https://github.example.test/org"):
        assert header(url) == ""
    assert credentials({"GITHUB_SERVER_URL": "http://github.example"}, "ghs_secret") == {}


def test_a_fetch_that_fails_tells_no_token(base):
    base.git("remote", "set-url", "origin", "https://127.0.0.1:9/org/app")
    variables = credentials({"GITHUB_SERVER_URL": "https://127.0.0.1:9"}, "ghs_secret")
    with pytest.raises(TransientError) as caught:
        fetch(base.root, ["refs/heads/main"], variables)
    secret = base64.b64encode(b"x-access-token:ghs_secret").decode()
    assert not {"ghs_secret", secret} & set(str(caught.value).split())
    assert secret not in str(caught.value)
