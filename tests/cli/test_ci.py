"""`gitune ci`: any CI system plans, trains, judges and tells what a branch changes."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest
import yaml
from repository import commit, committed_world, git, run
from world import World

from runner.cli.ci import BASES
from runner.errors import TransientError


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    for name in ("GITUNE_NAMESPACE", "GITUNE_CONFIG_FROM", *BASES):
        monkeypatch.delenv(name, raising=False)
    # What the verb sets for its own process must not reach the next test.
    monkeypatch.setenv("GITUNE_CONFIG_FROM", "")
    monkeypatch.delenv("GITUNE_CONFIG_FROM")
    made = committed_world(tmp_path, monkeypatch)
    assert run(made, "apply", "--yes") == 0
    git(made, "checkout", "--quiet", "-b", "change")
    return made


def change(world, rate=0.002):
    world.spec["version"], world.spec["training"]["learning_rate"] = "1.1.0", rate
    commit(world, "another rate")


def test_without_answers_it_says_what_lacks(world, capsys):
    change(world)
    capsys.readouterr()
    assert run(world, "ci") == 1
    shown = capsys.readouterr().out
    assert "Do not merge" in shown
    assert "learning_rate" in shown


def test_it_trains_judges_and_tells(world, capsys, tmp_path):
    change(world)
    files = tmp_path / "comment.md", tmp_path / "verdicts.xml"
    capsys.readouterr()
    told = ("--markdown", str(files[0]), "--junit", str(files[1]))
    assert run(world, "ci", "--train", "--namespace", "pr/3", *told) == 0
    assert "Ready to merge" in capsys.readouterr().out
    assert "PASS" in files[0].read_text()
    suite = ET.parse(files[1]).getroot().find("testsuite")
    assert (suite.get("name"), suite.get("failures"), suite.get("errors")) == ("bot 1.1.0", "0", "0")
    # Nothing of it is main's.
    git(world, "checkout", "--quiet", "main")
    git(world, "merge", "--quiet", "change")
    assert run(world, "apply", "--yes", "--no-train", "--adopt", "pr/3") == 0


def test_a_worse_model_ends_it_with_3(world, capsys, tmp_path):
    change(world, rate=0.5)
    file = tmp_path / "verdicts.xml"
    assert run(world, "ci", "--train", "--junit", str(file), "--json") == 3
    found = json.loads(
        capsys.readouterr().out.partition('{\n  "format_version"')[2].join(['{\n  "format_version"', ""])
    )
    assert found["specs"][0]["report"]["outcome"] == "FAIL"
    assert ET.parse(file).getroot().find("testsuite").get("failures") != "0"


def test_its_own_configuration_counts_for_nothing(world, capsys):
    """The branch asks for another store and no floors; the base branch's are used."""
    change(world)
    config = world.root / "registry" / "config.yaml"
    config.parent.mkdir(exist_ok=True)
    config.write_text(yaml.safe_dump({"store": "elsewhere"}))
    git(world, "add", "--force", "registry/config.yaml")
    git(world, "commit", "--quiet", "--message", "another store")
    assert run(world, "ci", "--train") == 0
    assert not (world.root / "elsewhere").exists()
    assert "registry/config.yaml" in capsys.readouterr().out


def test_an_old_configuration_is_no_choice_of_a_branch_that_began_before_it_changed(world, capsys, monkeypatch):
    """Main's floor came after the branch began; the commit it began at knows of none."""
    monkeypatch.setenv("CI_MERGE_REQUEST_DIFF_BASE_SHA", git(world, "rev-parse", "main"))
    monkeypatch.setenv("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main")
    change(world)
    git(world, "checkout", "--quiet", "main")
    config = world.root / "registry" / "config.yaml"
    config.parent.mkdir(exist_ok=True)
    config.write_text(yaml.safe_dump({"policy": {"min_test_rows": 1000}}))
    git(world, "add", "--force", "registry/config.yaml")
    git(world, "commit", "--quiet", "--message", "a floor")
    git(world, "checkout", "--quiet", "change")
    assert run(world, "ci", "--train") != 0
    assert "1000" in capsys.readouterr().out


def test_why_a_training_came_to_nothing_is_told(world, capsys, monkeypatch):
    change(world)

    def break_down(*_):
        raise TransientError("the GPU is gone", hint="look for it")

    monkeypatch.setattr("runner.steps.train.run", break_down)
    assert run(world, "ci", "--train") == 1
    shown = capsys.readouterr()
    assert "the GPU is gone" in shown.err
    assert "train has to run" in shown.out


@pytest.mark.parametrize("visibility", ["public", "private"])
def test_rows_are_for_those_who_may_read_the_project(world, capsys, monkeypatch, tmp_path, visibility):
    monkeypatch.setenv("CI_PROJECT_VISIBILITY", visibility)
    change(world, rate=0.5)
    files = tmp_path / "comment.md", tmp_path / "verdicts.xml"
    assert run(world, "ci", "--train", "--json", "--markdown", str(files[0]), "--junit", str(files[1])) == 3
    shown = capsys.readouterr().out
    assert '"rows":' in shown
    for text in (shown, *(file.read_text() for file in files[:1])):
        assert ("I like colours" in text) is (visibility == "private")
    assert "I like colours" not in files[1].read_text()


def test_an_odd_text_in_the_data_breaks_no_xml(world, capsys, tmp_path):
    world.spec["description"] = "]]> \ufffe <&"
    world.files["data/a.jsonl"] = []
    change(world)
    (world.root / "specs/bot/data/a.jsonl").write_text('{"input": "]]> \\u0000<b>", "output": 3}\n')
    git(world, "commit", "--quiet", "--all", "--message", "odd")
    file = tmp_path / "verdicts.xml"
    assert run(world, "ci", "--train", "--junit", str(file)) in (1, 5)
    assert ET.parse(file).getroot().find("testsuite").get("errors") == "1"


@pytest.mark.parametrize("more", [(), ("--train",)])
def test_a_spec_that_does_not_load_is_told_with_its_place(world, capsys, tmp_path, more):
    (world.root / "specs/bot/spec.yaml").write_text("name: [\n")
    git(world, "commit", "--quiet", "--all", "--message", "break")
    file = tmp_path / "verdicts.xml"
    assert run(world, "ci", *more, "--junit", str(file)) == 1
    assert "specs/bot/spec.yaml:" in capsys.readouterr().out
    assert "specs/bot/spec.yaml:" in file.read_text()


def test_the_base_is_what_the_ci_system_says(world, capsys, monkeypatch):
    change(world)
    git(world, "branch", "release")
    monkeypatch.setenv("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "release")
    assert run(world, "ci") == 0
    assert "no spec changes" in capsys.readouterr().out.lower()


def test_a_base_that_is_not_here_is_an_error(world, capsys, monkeypatch):
    monkeypatch.setenv("GITHUB_BASE_REF", "nowhere")
    assert run(world, "ci") == 64
    assert "git knows no nowhere here" in capsys.readouterr().err


def test_an_empty_variable_lets_no_proposal_bring_its_own_configuration(world, monkeypatch, capsys):
    monkeypatch.setenv("GITUNE_CONFIG_FROM", "")
    (world.root / "registry").mkdir(exist_ok=True)
    (world.root / "registry/config.yaml").write_text("store: elsewhere\n")
    change(world)
    run(world, "ci", "--train")
    assert not (world.root / "elsewhere").exists()
