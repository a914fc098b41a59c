"""`gate`, `release`, `--namespace` and `--adopt` as a user meets them."""

from __future__ import annotations

import json

import pytest
from repository import commit, committed_world, git, run
from world import World

from runner.registry.facts import Ruling


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    for name in ("GITHUB_ACTOR", "GITUNE_NAMESPACE"):
        monkeypatch.delenv(name, raising=False)
    return committed_world(tmp_path, monkeypatch)


def thin_evidence(world):
    world.files = {"data/a.jsonl": list(range(8))}
    world.spec["dataset"]["checks"] = {"min_examples": 1}
    world.spec["training"]["learning_rate"] = 0.5
    world.spec["evaluation"]["gates"] = [{"metric": "exact_match", "beats": "base", "by": {"points": 10}}]
    commit(world, "few rows")


def test_thin_evidence_is_approved_once_it_was_seen(world, capsys):
    thin_evidence(world)
    approve = ("gate", "approve", "bot", "--reason", "tried it  by hand", "--by", "Ada <ada@example.org>")
    assert run(world, *approve) == 64
    assert "bot 1.0.0 has no verdict yet" in capsys.readouterr().err
    assert run(world, "apply", "--yes") == 4
    assert run(world, *approve) == 0
    capsys.readouterr()
    assert run(world, "gate", "list", "bot", "--json") == 0
    (decision,) = json.loads(capsys.readouterr().out)["decisions"]
    assert (decision["kind"], decision["version"], decision["who"]) == ("approve", "1.0.0", "Ada <ada@example.org>")
    assert run(world, "report", "bot") == 0
    assert "and Ada approved it (tried it by hand): merge to release 1.0.0" in capsys.readouterr().out
    assert run(world, "apply", "--yes") == 0
    assert "INCONCLUSIVE, approved by Ada: tried it by hand" in capsys.readouterr().out
    assert run(world, *approve) == 64
    assert "released already" in capsys.readouterr().err
    assert run(world, "explain", "bot") == 0
    assert "INCONCLUSIVE, approved by Ada" in capsys.readouterr().out


def test_a_pass_or_fail_is_not_approved(world, capsys):
    world.spec["training"]["learning_rate"] = 0.5
    commit(world, "useless")
    assert run(world, "apply", "--yes") == 3
    capsys.readouterr()
    assert run(world, "gate", "approve", "bot", "--reason", "please", "--by", "Ada") == 1
    assert "say FAIL, not INCONCLUSIVE\n    a FAIL is not approved" in capsys.readouterr().err


WHO = [
    ({"GITHUB_ACTOR": "octocat"}, (), "octocat"),
    ({"GITHUB_ACTOR": "octocat"}, ("--by", "Ada"), "Ada"),
    ({}, (), "T <t@example.invalid>"),
]


@pytest.mark.parametrize(("environment", "arguments", "who"), WHO)
def test_who_decides(world, monkeypatch, environment, arguments, who):
    git(world, "config", "user.name", "T")
    git(world, "config", "user.email", "t@example.invalid")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert run(world, "gate", "hold", "bot", "--reason", "freeze", *arguments) == 0
    (ruling,) = world.registry.rulings("bot")
    assert isinstance(ruling, Ruling)
    assert (ruling.who, ruling.kind, ruling.reason) == (who, "hold", "freeze")


WRONG = [
    (
        ("gate", "lift", "bot", "--reason", "x", "--by", "A"),
        "bot (whatever is new) is not on hold\n    on hold: nothing",
    ),
    (("gate", "hold", "bot", "--reason", "  ", "--by", "A"), "a decision needs its reason"),
    (("gate", "hold", "bot", "--reason", "x", "--by", "A", "--version", "1.x"), "is not a version"),
    (("gate", "hold", "nobody", "--reason", "x", "--by", "A"), "there is no spec named `nobody`"),
    (("gate", "hold", "bot"), "--reason"),
    (("release", "--unhold", "bot@1.0.0"), "--unhold needs --reason"),
    (("release", "--reason", "x"), "--reason and --by go with --unhold"),
    (("release", "--unhold", "bot", "--reason", "x", "notes", "bot"), "--unhold goes without a command"),
    (("release", "--unhold", "bot@1.0.0", "--reason", "x", "--by", "A"), "bot 1.0.0 is not on hold"),
    (("release", "--unhold", "bot@one", "--reason", "x", "--by", "A"), "is not a version"),
    (("release", "--unhold", "nobody", "--reason", "x", "--by", "A"), "there is no spec named `nobody`"),
    (("release", "notes", "bot"), "bot 1.0.0 has no record of prepare"),
    (("release", "notes", "bot", "2.0.0"), "bot 2.0.0 is not released\n    released: none"),
    (("plan", "--namespace", "main"), "'main' is no namespace"),
    (("plan", "--adopt", "pr/0"), "'pr/0' is no namespace"),
    (("apply", "--adopt", "pr/1", "--namespace", "pr/1"), "drop --namespace"),
]


@pytest.mark.parametrize(("arguments", "words"), WRONG)
def test_wrong_usage(world, capsys, arguments, words):
    assert run(world, *arguments) == 64
    assert words in capsys.readouterr().err


def test_a_hold_is_listed_and_lifted(world, capsys):
    assert run(world, "gate", "list", "bot") == 0
    assert capsys.readouterr().out == "nothing was decided about bot\n"
    assert run(world, "gate", "hold", "bot", "--version", "1.0.0", "--reason", "bad", "--by", "Ada") == 0
    assert run(world, "apply", "--yes") == 1
    assert run(world, "gate", "lift", "bot", "--version", "1.0.0", "--reason", "fine", "--by", "Ada") == 0
    capsys.readouterr()
    assert run(world, "gate", "list", "bot") == 0
    assert [line.split()[3:5] for line in capsys.readouterr().out.splitlines()] == [
        ["hold", "1.0.0"],
        ["lift", "1.0.0"],
    ]
    assert run(world, "apply", "--yes") == 0


def test_notes_of_a_candidate_and_of_its_release(world, capsys):
    run(world, "apply", "--yes")
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.1.0", 0.0002
    commit(world, "slower")
    run(world, "apply", "--yes", "--through", "evaluate")
    capsys.readouterr()
    assert run(world, "release", "notes", "bot") == 0
    line = capsys.readouterr().out
    assert line.startswith("1.1.0: learning_rate 0.001 → 2e-4; exact match 1.00 → 1.00 (+0, CI")
    assert run(world, "release", "notes", "bot", "--format", "markdown") == 0
    assert "not released yet" in capsys.readouterr().out
    run(world, "apply", "--yes")
    capsys.readouterr()
    assert run(world, "release", "notes", "bot", "1.1.0", "--since", "1.0.0", "--format", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["released"], found["since"], found["line"] + "\n") == (True, "1.0.0", line)


def test_a_pull_request_is_evaluated_apart_and_adopted(world, capsys, monkeypatch):
    run(world, "apply", "--yes")
    git(world, "checkout", "--quiet", "-b", "topic")
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.1.0", 0.002
    commit(world, "faster")
    assert run(world, "apply", "--yes", "--namespace", "pr/7") == 0
    capsys.readouterr()
    monkeypatch.setenv("GITUNE_NAMESPACE", "pr/7")
    assert run(world, "report", "bot") == 0
    monkeypatch.delenv("GITUNE_NAMESPACE")
    assert "1.1.0" in capsys.readouterr().out
    assert run(world, "report", "bot") == 64
    git(world, "checkout", "--quiet", "main")
    git(world, "merge", "--quiet", "topic")
    capsys.readouterr()
    assert run(world, "plan", "--adopt", "pr/7", "--json") == 0
    (spec,) = json.loads(capsys.readouterr().out)["specs"]
    assert [step["action"] for step in spec["steps"]][:4] == ["REUSE"] * 4
    assert run(world, "apply", "--yes", "--adopt", "pr/7", "--json") == 0
    shown = capsys.readouterr()
    (outcome,) = json.loads(shown.out)["specs"]
    assert outcome["ran"] == ["score", "gate", "deploy"]
    assert "adopted from pr/7: train of bot" in shown.err
    assert run(world, "explain", "bot") == 0


def test_notes_as_json_in_both_ways(world, capsys):
    run(world, "apply", "--yes")
    capsys.readouterr()
    assert run(world, "release", "notes", "bot", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["version"] == "1.0.0"
    assert run(world, "release", "notes", "bot", "--format", "json") == 0
    assert json.loads(capsys.readouterr().out) == told


def test_a_merge_trains_nothing_and_may_adopt_of_several(world, capsys):
    """What two pull requests trained is merged at once; without one of them it is refused, and nothing happens."""
    world.spec["training"]["learning_rate"] = 0.002
    commit(world, "faster")
    assert run(world, "apply", "--yes", "--namespace", "pr/7", "--through", "evaluate") == 0
    assert run(world, "apply", "--yes", "--no-train", "--adopt", "pr/8") == 1
    assert "bot would be trained" in capsys.readouterr().out
    assert run(world, "plan", "--matrix") == 0
    assert '"spec": "bot"' in capsys.readouterr().out
    assert run(world, "apply", "--yes", "--no-train", "--adopt", "pr/8", "--adopt", "pr/7") == 0


def test_an_empty_namespace_adopts_nothing_and_says_so(world, capsys):
    assert run(world, "plan", "--adopt", "pr/77") == 0
    assert "pr/77 holds nothing to adopt" in capsys.readouterr().err
    run(world, "apply", "--yes", "--namespace", "pr/7")
    capsys.readouterr()
    assert run(world, "plan", "--adopt", "pr/7") == 0
    assert "nothing to adopt" not in capsys.readouterr().err


def test_what_policy_asks_for_is_approved_by_nobody(world, capsys):
    """Thin evidence for a gate that keeps a floor: an approval of before the floor counts for nothing either."""
    thin_evidence(world)
    assert run(world, "apply", "--yes", "--through", "evaluate") == 4
    approve = ("gate", "approve", "bot", "--reason", "tried it", "--by", "Ada")
    assert run(world, *approve) == 0
    config = world.root / "registry" / "config.yaml"
    config.write_text("policy: {floors: [{metric: exact_match, beats: base, by: {points: 5}}]}\n")
    commit(world, "a floor")
    capsys.readouterr()
    assert run(world, *approve) == 1
    assert "policy.floors asks for exact_match beats base by 5 points" in capsys.readouterr().err
    assert run(world, "apply", "--yes") == 4
    assert run(world, "status") == 0
    assert "never deployed" in capsys.readouterr().out
