"""`gitune rollback`: what is verified before anything moves, what the branch holds, and what becomes of it when merged."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from releases import blobs_of, flip
from repository import commit, git, run

from runner.executors.child import run_apart
from runner.git_branch import restore_folder

BRANCH = "gitune/rollback-bot-1.1.0"


def rollback(world, capsys, *arguments, code=0):
    capsys.readouterr()
    assert run(world, "rollback", "bot", "--by", "Ada", *arguments) == code
    shown = capsys.readouterr()
    return json.loads(shown.out) if "--json" in arguments and code == 0 else shown.out + shown.err


def tree(world, commit_):
    return git(world, "rev-parse", f"{commit_}:specs/bot")


def branches(world):
    return git(world, "for-each-ref", "--format=%(refname:short)").splitlines()


def lose(world, version):
    for file in blobs_of(world, version):
        file.unlink()
    shutil.rmtree(world.root / "cache")


def test_the_spec_comes_back_on_a_branch_and_the_bad_version_is_held(released, capsys):
    head, status = git(released, "rev-parse", "HEAD"), git(released, "status", "--porcelain")
    done = rollback(released, capsys, "--reason", "it invents colours", "--json")
    assert (done["from"], done["to"], done["alias"], done["branch"]) == ("1.2.0", "1.1.0", "production", BRANCH)
    before = released.registry.version("bot", "1.1.0").commit
    assert done["restores"] == before
    assert tree(released, BRANCH) == tree(released, before)
    assert "data/new2.jsonl" not in git(released, "ls-tree", "-r", "--name-only", BRANCH)
    assert git(released, "rev-parse", f"{BRANCH}^") == head
    assert git(released, "diff", "--name-only", head, BRANCH, "--", ":!specs/bot") == ""
    message = git(released, "log", "-1", "--format=%B", BRANCH)
    assert message.startswith("Roll back bot to 1.1.0, from 1.2.0\n\nit invents colours\n")
    assert message.endswith("Gitune-Rollback: bot 1.2.0 -> 1.1.0")
    assert done["plan"]["train"] == "REUSE"
    assert done["plan"]["deploy"] == "RUN"
    assert done["seconds"]["to_restore"] >= done["seconds"]["loading"] > 0
    assert done["commands"] == ["git switch main", f"git merge --no-ff {BRANCH}"]
    (hold,) = released.registry.rulings("bot")
    assert (hold.kind, hold.version, hold.who) == ("hold", "1.2.0", "Ada")
    assert hold.reason == "rolled back to 1.1.0: it invents colours"
    # What is live stays live, and neither working tree nor index know of it.
    assert released.registry.live("bot", "production").version == "1.2.0"
    assert (git(released, "rev-parse", "HEAD"), git(released, "status", "--porcelain")) == (head, status)


def test_once_merged_the_old_version_is_deployed_and_the_bad_one_never_again(released, capsys):
    rollback(released, capsys)
    git(released, "merge", "--quiet", "--no-ff", "--no-edit", BRANCH)
    capsys.readouterr()
    assert run(released, "apply", "--yes", "--json") == 0
    (outcome,) = json.loads(capsys.readouterr().out)["specs"]
    assert (outcome["ran"], outcome["deployed"]["version"]) == (["deploy"], "1.1.0")
    # A revert of the revert asks for the bad version again.
    git(released, "revert", "--no-edit", "-m", "1", "HEAD")
    assert run(released, "apply", "--yes") == 1
    assert "1.2.0 is on hold by Ada" in capsys.readouterr().out
    assert released.registry.live("bot", "production").version == "1.1.0"
    assert run(released, "release", "--unhold", "bot@1.2.0", "--reason", "mended the data", "--by", "Ada") == 0
    assert run(released, "apply", "--yes") == 0
    assert released.registry.live("bot", "production").version == "1.2.0"


def test_one_after_another_skips_what_is_held(released, capsys):
    rollback(released, capsys)
    git(released, "merge", "--quiet", "--no-ff", "--no-edit", BRANCH)
    run(released, "apply", "--yes")
    assert rollback(released, capsys, "--json")["to"] == "1.0.0"


def test_twice_is_once(released, capsys):
    first = rollback(released, capsys, "--json")
    again = rollback(released, capsys, "--json")
    assert (first["commit"], first["hold"]) == (again["commit"], again["hold"])
    assert len(released.registry.rulings("bot")) == 1


def test_a_branch_that_main_has_left_behind_is_made_anew(released, capsys):
    first = rollback(released, capsys, "--json")
    (released.root / "README.md").write_text("new")
    head = commit(released, "something else")
    again = rollback(released, capsys, "--json")
    assert again["commit"] != first["commit"]
    assert git(released, "rev-parse", f"{BRANCH}^") == head


def test_a_branch_of_somebody_else_is_left_alone(released, capsys):
    git(released, "branch", BRANCH)
    assert "a commit of somebody else" in rollback(released, capsys, code=1)
    assert released.registry.rulings("bot") == []


def test_a_spec_that_is_gone_comes_back(released, capsys):
    git(released, "rm", "-r", "--quiet", "specs/bot")
    git(released, "commit", "--quiet", "--message", "away")
    (released.root / "specs").mkdir(exist_ok=True)
    done = rollback(released, capsys, "--json")
    assert (done["from"], done["to"]) == ("1.2.0", "1.1.0")
    assert tree(released, BRANCH) == tree(released, released.registry.version("bot", "1.1.0").commit)


def test_what_was_undeployed_comes_back_without_a_hold(released, capsys):
    shutil.copytree(released.root / "specs/bot", released.root / "specs/other")
    spec = released.root / "specs/other/spec.yaml"
    spec.write_text(spec.read_text().replace("name: bot", "name: other"))
    git(released, "rm", "-r", "--quiet", "specs/bot")
    git(released, "add", "--all", ".")
    git(released, "commit", "--quiet", "--message", "bot goes, other comes")
    assert run(released, "apply", "--yes") == 0
    assert released.registry.live("bot", "production").version is None
    done = rollback(released, capsys, "--json")
    assert (done["from"], done["to"], done["hold"]) == (None, "1.2.0", None)
    git(released, "merge", "--quiet", "--no-ff", "--no-edit", done["branch"])
    assert run(released, "apply", "--yes") == 0
    assert released.registry.live("bot", "production").version == "1.2.0"
    assert released.registry.live("other", "production").version == "1.2.0"


WRONG = [
    (("--to", "1.2.0"), 64, "bot 1.2.0 is live as production already\n    to go back to: 1.1.0, 1.0.0"),
    (("--to", "3.0.0"), 64, "bot 3.0.0 is not released"),
    (("--to", "1.x"), 64, "is not a version"),
    (("--reason", "  "), 64, "a decision needs its reason"),
    (("--to", "1.0.0", "--reason", "a\x1bb"), 64, "a decision needs its reason"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), WRONG)
def test_wrong_usage(released, capsys, arguments, code, words):
    assert words in rollback(released, capsys, *arguments, code=code)
    assert branches(released) == ["main"]


def test_what_is_held_is_no_target(released, capsys):
    for version in ("1.0.0", "1.1.0"):
        run(released, "gate", "hold", "bot", "--version", version, "--reason", "bad too", "--by", "Ada")
    assert "1.1.0 is on hold by Ada" in rollback(released, capsys, "--to", "1.1.0", code=64)
    told = rollback(released, capsys, code=64)
    assert "all that was live before is on hold: 1.1.0, 1.0.0" in told
    assert "release --unhold" in told


def test_nothing_was_ever_live(world, capsys):
    assert "has never been deployed as production" in rollback(world, capsys, code=64)


def test_only_one_was_ever_live(world, capsys):
    run(world, "apply", "--yes")
    assert "nothing else was ever live" in rollback(world, capsys, code=64)


def refused(world, capsys, words, *arguments):
    told = rollback(world, capsys, *arguments, code=1)
    assert words in told
    assert branches(world) == ["main"]
    assert world.registry.rulings("bot") == []
    return told


def test_lost_weights_move_nothing_and_name_what_verifies(released, capsys):
    lose(released, "1.1.0")
    assert "these verify: 1.0.0 (--to VERSION)" in refused(released, capsys, "its artifacts are lost")


def test_where_nothing_else_verifies_it_says_so(released, capsys):
    lose(released, "1.0.0")
    lose(released, "1.1.0")
    assert "no other version" in refused(released, capsys, "its artifacts are lost")


def test_damaged_weights_move_nothing(released, capsys):
    for file in blobs_of(released, "1.1.0"):
        flip(file)
    refused(released, capsys, "is damaged")


def test_a_swapped_version_file_moves_nothing(released, capsys):
    file = released.root / "registry/store/versions/bot/1.1.0.json"
    file.chmod(0o644)
    file.write_text(file.read_text().replace('"PASS"', '"FAIL"'))
    refused(released, capsys, "is not the file that entry 2 deployed")


def test_weights_that_do_not_load_move_nothing(released, capsys, monkeypatch):
    """The fake's adapter is no adapter: the real engine, in a real child process, refuses it."""
    monkeypatch.setattr("runner.rollback.verify.run_apart", run_apart)
    refused(released, capsys, "bot 1.1.0 does not load")


def test_main_that_is_restored_already_is_told(released, capsys):
    rollback(released, capsys)
    git(released, "merge", "--quiet", "--no-ff", "--no-edit", BRANCH)
    told = rollback(released, capsys, code=1)
    assert "specs/bot on main is that of 1.1.0 already\n    an apply on main deploys it" in told


def test_the_remote_s_branch_is_what_it_is_made_on(released, capsys, tmp_path):
    git(released, "init", "--quiet", "--bare", "--initial-branch", "main", str(tmp_path / "hub.git"))
    git(released, "remote", "add", "origin", str(tmp_path / "hub.git"))
    git(released, "push", "--quiet", "origin", "main")
    pushed = git(released, "rev-parse", "HEAD")
    (released.root / "README.md").write_text("local only")
    commit(released, "not pushed")
    done = rollback(released, capsys, "--json")
    assert done["base"] == "origin/main"
    assert done["commands"][0] == f"git push --force-with-lease origin {BRANCH}"
    assert git(released, "rev-parse", f"{BRANCH}^") == pushed


def test_a_clone_behind_what_is_live_fetches_first(released, capsys):
    git(released, "reset", "--quiet", "--hard", "HEAD~1")
    assert "is not in the history of main here\n    `git fetch` first" in refused(released, capsys, "1.2.0 went live")


def test_a_repository_below_the_top_of_its_clone(tmp_path):
    class Place:
        root = tmp_path

    def commit_all(text):
        for folder in ("specs/bot", "ml/specs/bot"):
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / "spec.yaml").write_text(text)
        git(Place, "add", "--all", ".")
        git(Place, "commit", "--quiet", "--message", text)
        return git(Place, "rev-parse", "HEAD")

    git(Place, "init", "--quiet", "--initial-branch", "main")
    old, new = commit_all("old"), commit_all("new")
    made = restore_folder(tmp_path / "ml", new, old, "specs/bot", "back\n", "Ada")
    assert git(Place, "diff", "--name-only", new, made) == "ml/specs/bot/spec.yaml"
    assert git(Place, "show", f"{made}:ml/specs/bot/spec.yaml") == "old"


files = st.dictionaries(
    st.sampled_from(["a", "b/c", "b/d", "ä x", "specs", "b/e/f"]), st.binary(max_size=3), min_size=1
)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    class Place:
        root = tmp_path_factory.mktemp("trees")

    git(Place, "init", "--quiet", "--initial-branch", "main")
    return Place


@settings(max_examples=25)
@given(then=files, now=files, beside=files)
def test_a_restored_folder_is_the_old_one_exactly_and_nothing_else_changes(repository, then, now, beside):
    def commit_all(content, around):
        shutil.rmtree(repository.root / "specs", ignore_errors=True)
        for folder, found in (("specs/bot", content), ("specs/bother", around)):
            for name, data in found.items():
                (repository.root / folder / name).parent.mkdir(parents=True, exist_ok=True)
                (repository.root / folder / name).write_bytes(data)
        git(repository, "add", "--all", ".")
        git(repository, "commit", "--quiet", "--allow-empty", "--message", "x")
        return git(repository, "rev-parse", "HEAD")

    old, new = commit_all(then, {}), commit_all(now, beside)
    made = restore_folder(repository.root, new, old, "specs/bot", "back\n", "Ada")
    assert tree(repository, made) == tree(repository, old)
    changed = git(repository, "diff", "--name-only", "-z", new, made).split("\0")
    assert all(name.startswith("specs/bot/") for name in changed if name)
    assert git(repository, "status", "--porcelain") == ""
