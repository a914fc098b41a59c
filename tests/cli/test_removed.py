"""A spec is removed, and comes back: what a user sees of it, with a real git repository."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
import yaml
from repository import git, run
from world import World, fake_weights


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    """Two specs, both live."""
    fake_weights(monkeypatch)
    monkeypatch.setenv("GITUNE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_COLOR", "1")
    world = World(tmp_path)
    world.write()
    shutil.copytree(tmp_path / "specs/bot", tmp_path / "specs/other")
    (tmp_path / "specs/other/spec.yaml").write_text(yaml.safe_dump(world.spec | {"name": "other"}))
    (tmp_path / ".gitignore").write_text("registry/store/\ncache/\n")
    git(world, "init", "--quiet", "--initial-branch", "main")
    git(world, "add", ".")
    git(world, "commit", "--quiet", "--message", "two specs")
    assert run(world, "apply", "--yes") == 0
    return world


def test_the_plan_of_a_pull_request_says_what_it_takes_away(world, capsys):
    git(world, "checkout", "--quiet", "-b", "topic")
    world.spec["deployment"] = {"alias": "canary"}
    world.write()
    remove(world)
    git(world, "commit", "--quiet", "--all", "--message", "move")
    capsys.readouterr()
    assert run(world, "plan", "--base", "main") == 0
    shown = capsys.readouterr().out
    assert "1 touched" in shown
    assert "Removed: other" in shown
    assert shown.count("undeployed from main once merged; this is topic") == 2

    before = git(world, "rev-parse", "main")
    git(world, "checkout", "--quiet", "-B", "main")
    assert run(world, "plan", "--base", before, "--json", "-o", str(world.root / "cache/it.plan")) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["summary"]["undeploy"] == 2
    assert [(spec["name"], spec["removed"]) for spec in plan["specs"]] == [
        ("bot", None),
        ("bot", "production"),
        ("other", "production"),
    ]
    assert run(world, "plan", "--base", before, "--json", "bot") == 0
    assert json.loads(capsys.readouterr().out)["summary"]["undeploy"] == 0
    assert run(world, "apply", str(world.root / "cache/it.plan")) == 0
    assert world.registry.live("bot", "production").version is None
    assert world.registry.live("other", "production").version is None
    assert world.registry.live("bot", "canary").version == "1.0.0"


def test_a_pull_request_that_removes_every_spec_takes_nothing_away(world, capsys):
    base = git(world, "rev-parse", "HEAD")
    git(world, "rm", "-rq", "specs")
    (world.root / "specs").mkdir(exist_ok=True)
    git(world, "commit", "--quiet", "--message", "nothing left")
    capsys.readouterr()
    assert run(world, "plan", "--base", base, "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert (plan["specs"], plan["removed"]) == ([], ["bot", "other"])


def remove(world: World) -> str:
    git(world, "rm", "-rq", "specs/other")
    git(world, "commit", "--quiet", "--message", "other is retired")
    return git(world, "rev-parse", "HEAD")


def test_removed_and_brought_back(world, capsys):
    head = remove(world)
    capsys.readouterr()
    assert run(world, "plan", "--detailed-exitcode") == 2
    shown = capsys.readouterr().out
    line = f"- undeploy other 1.0.0 as production: specs/other/spec.yaml is gone since {head[:8]}"
    assert line in shown.splitlines()
    assert "1 to undeploy, train steps: 0." in shown
    assert run(world, "status") == 0
    assert "other  is not asked for  production = 1.0.0 since " in capsys.readouterr().out

    assert run(world, "apply", "--yes") == 0
    said = capsys.readouterr().out
    assert "undeployed: production is no longer 1.0.0, entry 2" in said
    assert said.endswith("\n2 specs: 1 undeployed, 1 nothing to do\n  other 1.0.0  undeployed\n")
    assert run(world, "plan", "--detailed-exitcode") == 0
    assert capsys.readouterr().out.strip() == "No changes. 1 spec is up to date."
    assert run(world, "explain", "other") == 64
    assert "other was undeployed from production at " in capsys.readouterr().err
    assert run(world, "explain", "other", "--version", "1.0.0") == 0
    *_, deployed, undeployed = capsys.readouterr().out.splitlines()
    assert "✓ deployment        production #1" in deployed
    assert "✓ undeployment      production #2" in undeployed
    capsys.readouterr()
    assert run(world, "status", "--json") == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)["specs"]] == ["bot"]

    git(world, "revert", "--no-edit", "HEAD")
    assert run(world, "status", "other") == 0
    assert "other  wants 1.0.0  production undeployed since" in capsys.readouterr().out
    assert run(world, "apply", "--yes", "--json") == 0
    assert [spec["ran"] for spec in json.loads(capsys.readouterr().out)["specs"]] == [[], ["deploy"]]
    assert run(world, "history", "other") == 0
    moves = [line.split()[3] for line in capsys.readouterr().out.splitlines()]
    assert moves == ["redeploy", "undeploy", "deploy"]


def test_history_is_there_after_the_spec_is_gone(world, capsys):
    remove(world)
    run(world, "apply", "--yes")
    capsys.readouterr()
    assert run(world, "history", "other", "--json") == 0
    entries = json.loads(capsys.readouterr().out)["deployments"]
    assert [(entry["move"], entry["version"]) for entry in entries] == [("undeploy", None), ("deploy", "1.0.0")]
    assert run(world, "history", "never") == 64


def test_people_may_still_rule_on_what_is_gone(world, capsys):
    remove(world)
    capsys.readouterr()
    assert run(world, "gate", "hold", "other", "--version", "1.0.0", "--reason", "it was wrong", "--by", "Ada") == 0
    assert run(world, "gate", "list", "other") == 0
    assert "hold  1.0.0  Ada: it was wrong" in capsys.readouterr().out
    assert run(world, "gate", "list", "never") == 64


def test_status_stands_in_columns(world, capsys):
    capsys.readouterr()
    assert run(world, "status") == 0
    bot, other = capsys.readouterr().out.splitlines()
    assert bot.startswith("bot    wants 1.0.0  production = 1.0.0 since 20")
    assert bot.index("in sync") == other.index("in sync")


def test_an_empty_registry_is_told(world, capsys):
    shutil.rmtree(world.root / "registry/store")
    capsys.readouterr()
    assert run(world, "status", "bot") == 0
    captured = capsys.readouterr()
    assert "bot  wants 1.0.0  production never deployed  needs an apply: prepare, " in captured.out
    assert "the registry at registry/store is empty" in captured.err


def test_history_shows_a_rollback(world, capsys):
    world.spec |= {"version": "1.1.0"}
    world.spec["training"]["learning_rate"] = 0.002
    world.write()
    git(world, "commit", "--quiet", "--all", "--message", "second")
    run(world, "apply", "--yes")
    git(world, "revert", "--no-edit", "HEAD")
    run(world, "apply", "--yes")
    capsys.readouterr()
    assert run(world, "history", "bot") == 0
    newest, *_ = capsys.readouterr().out.splitlines()
    assert "rollback  production → 1.0.0" in newest
    assert "was 1.1.0" in newest


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (lambda world: (world.root / "specs/bot/spec.yaml").write_text("name: [\n"), 1),
        (lambda world: git(world, "rm", "-rq", "specs/bot"), 64),
        (lambda world: (world.root / "specs/bot/spec.yaml").rename(world.root / "specs/bot/spec.yml"), 1),
    ],
)
def test_a_broken_or_empty_set_undeploys_nothing(world, harm, code):
    remove(world)
    harm(world)
    (world.root / "specs").mkdir(exist_ok=True)
    assert run(world, "apply", "--yes") == code
    assert world.registry.live("other", "production").version == "1.0.0"


def test_a_subset_undeploys_nothing(world):
    remove(world)
    assert run(world, "apply", "bot", "--yes") == 0
    assert world.registry.live("other", "production").version == "1.0.0"


def test_a_removal_that_is_not_committed_or_not_merged_is_only_told(world, capsys):
    shutil.rmtree(world.root / "specs/other")
    assert run(world, "apply", "--yes") == 1
    assert "undeploy: uncommitted: specs/other/" in capsys.readouterr().out
    git(world, "switch", "--quiet", "--create", "topic")
    remove(world)
    assert run(world, "plan") == 0
    assert ". still live: other 1.0.0 as production: undeployed from main once merged" in capsys.readouterr().out
    assert run(world, "apply", "--yes") == 0
    assert world.registry.live("other", "production").version == "1.0.0"


def test_what_another_repository_keeps_in_the_store_is_left_alone(world, tmp_path_factory, capsys):
    copy = tmp_path_factory.mktemp("elsewhere") / "repo"
    shutil.copytree(world.root, copy, ignore=shutil.ignore_patterns(".git", "other", "store"))
    (copy / "registry").mkdir(exist_ok=True)
    (copy / "registry/config.yaml").write_text(f"store: {world.root / 'registry/store'}\n")
    (copy / "specs/bot").rename(copy / "specs/theirs")
    spec = copy / "specs/theirs/spec.yaml"
    spec.write_text(spec.read_text().replace("name: bot", "name: theirs"))
    theirs = World(copy)
    git(theirs, "init", "--quiet", "--initial-branch", "main")
    git(theirs, "add", ".")
    git(theirs, "commit", "--quiet", "--message", "ours")
    assert run(theirs, "apply", "--yes") == 0
    assert world.registry.live("theirs", "production").version == "1.0.0"
    capsys.readouterr()
    for repository, specs in ((world, "2 specs are"), (theirs, "1 spec is")):
        assert run(repository, "plan") == 0
        assert capsys.readouterr().out.strip() == f"No changes. {specs} up to date."


def test_an_old_checkout_takes_nothing_newer_away(world):
    first = git(world, "rev-parse", "HEAD")
    shutil.copytree(world.root / "specs/other", world.root / "specs/third")
    spec = world.root / "specs/third/spec.yaml"
    spec.write_text(spec.read_text().replace("name: other", "name: third"))
    git(world, "add", ".")
    git(world, "commit", "--quiet", "--message", "a third one")
    assert run(world, "apply", "--yes") == 0
    git(world, "reset", "--quiet", "--hard", first)
    assert run(world, "apply", "--yes", "--force-older") == 0
    assert world.registry.live("third", "production").version == "1.0.0"


def test_a_sparse_checkout_takes_nothing_away(world, capsys):
    git(world, "sparse-checkout", "set", "--no-cone", "/*", "!/specs/other/")
    assert not (world.root / "specs/other/spec.yaml").exists()
    assert run(world, "apply", "--yes") == 1
    assert "a sparse checkout?" in capsys.readouterr().out
    assert world.registry.live("other", "production").version == "1.0.0"


def test_a_shallow_clone_says_that_it_cannot_tell(world, tmp_path_factory, capsys):
    remove(world)
    clone = tmp_path_factory.mktemp("shallow") / "clone"
    subprocess.run(["git", "clone", "-q", "--depth", "1", world.root.as_uri(), clone], check=True)
    (clone / "registry").mkdir(exist_ok=True)
    (clone / "registry/config.yaml").write_text(f"store: {world.root / 'registry/store'}\n")
    assert run(World(clone), "plan") == 0
    assert "this clone is too shallow to tell" in capsys.readouterr().out


def test_a_plan_that_somebody_must_mend_exits_1(world, capsys):
    world.spec["training"]["learning_rate"] = 0.002
    world.write()
    git(world, "commit", "--quiet", "--all", "--message", "no new version")
    for verb in (["plan"], ["plan", "--detailed-exitcode"], ["apply", "--yes"]):
        capsys.readouterr()
        assert run(world, *verb) == 1
        assert "bot 1.0.0 is released and never changes" in capsys.readouterr().out
