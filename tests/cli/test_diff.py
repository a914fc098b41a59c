"""`gitune diff` and `plan --base`: what a pull request changes, told from git alone."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from repository import commit, committed_world, git, run
from world import World


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    monkeypatch.chdir(tmp_path)
    return committed_world(tmp_path, monkeypatch)


def add_spec(world: World, name: str, **changes) -> None:
    world.write()
    shutil.copytree(world.root / "specs/bot", world.root / "specs" / name)
    spec = copy.deepcopy(world.spec) | {"name": name} | changes
    (world.root / "specs" / name / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))


def difference(world, capsys, *arguments):
    capsys.readouterr()
    assert run(world, "diff", "--json", *arguments) == 0
    return json.loads(capsys.readouterr().out)


def base_plan(world, capsys, *arguments):
    capsys.readouterr()
    assert run(world, "plan", "--json", "--base", "main", *arguments) == 0
    return json.loads(capsys.readouterr().out)


def test_nothing_differs(world, capsys):
    assert difference(world, capsys)["specs"] == []
    assert run(world, "diff", "--detailed-exitcode") == 0
    assert "no spec differs, 1 unchanged" in capsys.readouterr().out


def test_two_commits_and_their_inverse(world, capsys):
    git(world, "checkout", "--quiet", "-b", "topic")
    world.spec["version"] = "1.1.0"
    world.spec["training"]["learning_rate"] = 0.002
    world.spec["evaluation"]["gates"][1]["at_least"] = 0.2
    new = commit(world, "second")
    (spec,) = difference(world, capsys, "main", "topic")["specs"]
    assert (spec["class"], spec["flags"]) == ("retrain", ["gate_changed"])
    assert (spec["old_version"], spec["new_version"]) == ("1.0.0", "1.1.0")
    change = next(change for change in spec["changes"] if change["path"] == "training.learning_rate")
    assert (change["old"], change["new"]) == (0.001, 0.002)
    back = difference(world, capsys, "topic", "main")
    assert (back["old"], back["specs"][0]["class"]) == (new, "retrain")
    assert (difference(world, capsys)["specs"][0]["class"], difference(world, capsys)["new"]) == ("retrain", None)


def test_the_default_starts_where_the_branch_left_main(world, capsys):
    git(world, "checkout", "--quiet", "-b", "topic")
    add_spec(world, "mine")
    commit(world, "mine")
    git(world, "checkout", "--quiet", "main")
    add_spec(world, "theirs")
    commit(world, "theirs")
    git(world, "checkout", "--quiet", "topic")
    assert [spec["name"] for spec in difference(world, capsys)["specs"]] == ["mine"]
    assert [spec["name"] for spec in base_plan(world, capsys)["specs"]] == ["mine"]
    # As with git, two named commits are compared as they are.
    assert [spec["class"] for spec in difference(world, capsys, "main", "topic")["specs"]] == ["new", "removed"]


def test_uncommitted_and_untracked_files_count(world, capsys):
    (world.root / "specs/bot/data/new.jsonl").write_text(
        '{"input": "item 999 red small", "output": {"colour": "red", "size": "s"}}\n'
    )
    (spec,) = difference(world, capsys, "HEAD")["specs"]
    assert sum(count["added"] for count in spec["rows"].values()) == 1
    assert run(world, "diff", "HEAD", "--detailed-exitcode") == 2
    assert difference(world, capsys, "HEAD", "HEAD")["specs"] == []


def test_a_comment_or_a_file_that_nothing_reads_is_no_difference(world, capsys):
    (world.root / "specs/bot/README.md").write_text("words")
    file = world.root / "specs/bot/spec.yaml"
    file.write_text(f"# a remark\n{file.read_text()}")
    assert difference(world, capsys, "HEAD")["specs"] == []
    (spec,) = base_plan(world, capsys)["specs"]
    assert spec["class"] == "nothing"


def test_settings_touch_every_spec(world, capsys):
    (world.root / "registry").mkdir(exist_ok=True)
    (world.root / "registry/config.yaml").write_text("policy: {deploy_branch: release}\n")
    found = difference(world, capsys, "HEAD")
    assert found["specs"] == []
    assert found["config"] == [
        {"path": "policy.deploy_branch", "old": "main", "new": "release", "line": None, "rows": None}
    ]
    assert run(world, "diff", "HEAD", "--detailed-exitcode") == 2
    assert "~ policy.deploy_branch main → release" in capsys.readouterr().out
    assert [spec["name"] for spec in base_plan(world, capsys)["specs"]] == ["bot"]


def test_a_base_model_in_the_repository(world, capsys):
    add_spec(world, "other", base_model="file://elsewhere")
    shutil.copytree(world.root / "base", world.root / "elsewhere")
    commit(world, "two bases")
    world.base = "other weights"
    world.write_base()
    (spec,) = difference(world, capsys, "HEAD")["specs"]
    assert (spec["name"], spec["class"]) == ("bot", "retrain")
    assert [change["path"] for change in spec["changes"]] == ["base_model (content)"]


def test_what_filters_make_of_an_unchanged_file_is_no_difference(world, capsys):
    """With Git LFS the working tree holds data where commits hold pointers to it."""
    (world.root / ".gitattributes").write_text("*.jsonl filter=far\n")
    git(world, "config", "filter.far.clean", "sed s/item/pointer/")
    git(world, "config", "filter.far.smudge", "sed s/pointer/item/")
    git(world, "add", "--renormalize", ".")
    commit(world, "far")
    world.spec["training"]["learning_rate"] = 0.002
    world.write()
    (spec,) = difference(world, capsys, "HEAD")["specs"]
    assert [change["path"] for change in spec["changes"]] == ["training.learning_rate"]
    assert spec["rows"] == {}


def test_a_spec_that_could_not_be_read_then_is_new_with_a_note(world, capsys):
    file = world.root / "specs/bot/spec.yaml"
    good = file.read_text()
    file.write_text("name: [")
    git(world, "commit", "--quiet", "-am", "broken")
    file.write_text(good)
    (spec,) = difference(world, capsys, "HEAD")["specs"]
    assert spec["class"] == "new"
    assert "cannot be read: specs/bot/spec.yaml:" in spec["note"]
    git(world, "commit", "--quiet", "-am", "mended")
    assert run(world, "diff", "HEAD", "HEAD~1") == 1
    assert "specs/bot/spec.yaml:2:1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["diff", "nowhere"], 64, "no commit `nowhere`"),
        (["diff", "--", "--output=x"], 64, "no commit `--output=x`"),
        (["diff", "HEAD", "HEAD", "HEAD"], 64, "compares two"),
        (["diff", "HEAD", "--spec", "bott"], 64, "no spec named `bott`"),
        (["plan", "--base", "nowhere"], 64, "no commit `nowhere`"),
        (["plan", "--base", "main", "bott"], 64, "no spec named `bott`"),
    ],
)
def test_wrong_usage(world, capsys, arguments, code, words):
    assert run(world, *arguments) == code
    assert words in capsys.readouterr().err


def test_json_in_both_ways(world, capsys):
    assert run(world, "diff", "--format", "json") == 0
    by_format = json.loads(capsys.readouterr().out)
    assert by_format == difference(world, capsys)


def test_markdown_shows_what_files_say_and_does_nothing_else(world, capsys):
    world.spec["description"] = "</details> @everyone | **x**\x1b[2J"
    world.write()
    assert run(world, "diff", "HEAD", "--format", "markdown") == 0
    shown = capsys.readouterr().out
    assert "| bot | 1.0.0 | nothing |" in shown
    assert shown.count("</details>") == 1
    assert "@everyone" not in shown
    assert "\x1b" not in shown
    assert run(world, "diff", "HEAD") == 0
    assert "\x1b" not in capsys.readouterr().out


def test_a_plan_with_a_base_plans_only_what_changed(world, capsys):
    add_spec(world, "other")
    add_spec(world, "gone")
    base = commit(world, "three")
    git(world, "checkout", "--quiet", "-b", "topic")
    shutil.rmtree(world.root / "specs/gone")
    world.spec["evaluation"]["gates"][1]["at_least"] = 0.2
    head = commit(world, "loosen")
    plan = base_plan(world, capsys)
    assert (plan["base"], plan["head"], plan["removed"], plan["unchanged"]) == (base, head, ["gone"], 1)
    (spec,) = plan["specs"]
    assert (spec["name"], spec["class"], spec["flags"]) == ("bot", "gate_only", ["gate_changed"])
    assert run(world, "plan", "--base", "main") == 0
    shown = capsys.readouterr().out
    assert "Since" in shown
    assert "Removed: gone" in shown
    assert "change: gate only  ! gate changed" in shown
    assert base_plan(world, capsys, "other")["specs"] == []


def test_a_base_from_which_nothing_changed(world, capsys):
    assert base_plan(world, capsys)["specs"] == []
    assert run(world, "plan", "--base", "main", "--detailed-exitcode") == 0
    assert "0 touched, 1 as they were" in capsys.readouterr().out


def test_a_saved_plan_is_bound_to_its_base(world, capsys):
    git(world, "checkout", "--quiet", "-b", "topic")
    world.spec["training"]["learning_rate"] = 0.002
    commit(world, "rate")
    run(world, "plan", "--base", "main", "-o", "it.plan")
    git(world, "branch", "--force", "main", "topic")
    capsys.readouterr()
    assert run(world, "apply", "it.plan") == 1
    said = capsys.readouterr().err
    assert "base: main met HEAD at" in said
    git(world, "branch", "--force", "main", "topic~1")
    assert run(world, "apply", "it.plan") == 0


def test_a_repository_in_a_folder_of_another(world, capsys, tmp_path):
    git(world, "checkout", "--quiet", "-b", "topic")
    (world.root / "models").mkdir()
    for part in ("specs", "base"):
        git(world, "mv", part, f"models/{part}")
    git(world, "commit", "--quiet", "-m", "move")
    file = world.root / "models/specs/bot/spec.yaml"
    file.write_text(file.read_text().replace("learning_rate: 0.001", "learning_rate: 0.002"))
    assert run(world, "-C", "models", "diff", "HEAD", "--json") == 0
    (spec,) = json.loads(capsys.readouterr().out)["specs"]
    assert [change["path"] for change in spec["changes"]] == ["training.learning_rate"]


def test_loads_no_heavy_module(world):
    world.spec["dataset"]["split"]["test"] = 0.3
    world.write()
    code = (
        "import sys\n"
        "from runner.cli.main import main\n"
        "try:\n"
        f"    main(['-C', {str(world.root)!r}, 'plan', '--base', 'main'])\n"
        "except SystemExit as end:\n"
        "    print('exit', end.code)\n"
        "print('LOADED', *{name.partition('.')[0] for name in sys.modules})\n"
    )
    here = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=here, capture_output=True, text=True, check=True)
    assert "change: predict" in done.stdout or "change: retrain" in done.stdout
    assert "exit 0" in done.stdout
    loaded = set(done.stdout.rsplit("LOADED", 1)[1].split())
    assert not loaded & {"torch", "transformers", "jsonschema", "numpy", "scipy", "xllamacpp", "phonenumbers", "rich"}


def test_a_program_and_a_rubric_that_differ_change_how_a_spec_is_measured(world, capsys):
    evaluation = world.spec["evaluation"]
    evaluation["custom_metrics"] = [
        {"name": "close", "command": "scorer"},
        {"name": "polite", "judge": "big", "rubric": "rubric.md"},
    ]
    evaluation["metrics"] += ["close", "polite"]
    config = {
        "metrics": [{"name": "scorer", "command": ["python3", "scripts/score.py"]}],
        "endpoints": [{"name": "big", "url": "https://localhost/v1", "model": "big-1"}],
    }
    for folder in ("scripts", "registry"):
        (world.root / folder).mkdir(exist_ok=True)
    files = {
        "registry/config.yaml": yaml.safe_dump(config),
        "scripts/score.py": "print(1)",
        "specs/bot/rubric.md": "Is it polite?",
    }
    for name, text in files.items():
        (world.root / name).write_text(text)
    commit(world, "measured")
    (world.root / "scripts/score.py").write_text("print(2)")
    (world.root / "scripts/other.py").write_text("print(2)")
    (world.root / "specs/bot/rubric.md").write_text("Is it kind?")
    (spec,) = difference(world, capsys)["specs"]
    assert (spec["class"], spec["flags"], spec["steps"]) == ("score_only", ["metrics_changed"], ["score", "gate"])
    assert [change["path"] for change in spec["changes"]] == [
        "metric close: files.scripts/score.py (content)",
        "metric polite: rubric (content)",
    ]
    git(world, "checkout", "--quiet", "scripts", "specs")
    assert difference(world, capsys)["specs"] == []
