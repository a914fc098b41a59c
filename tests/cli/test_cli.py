"""The command line as a user meets it: exit codes, JSON, and one clear message for each mistake."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from xml.etree.ElementTree import fromstring

import pytest
from repository import commit, committed_world, git, run
from world import World, pretend_it_took

from runner.cli.main import main
from runner.errors import UsageError


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    return committed_world(tmp_path, monkeypatch)


def test_an_empty_registry_is_told_once(world, capsys):
    assert run(world, "plan") == 0
    assert capsys.readouterr().err == "the registry at registry/store is empty: everything will run\n"
    assert not (world.root / "registry" / "store").exists()
    assert run(world, "apply", "--yes") == 0
    assert "everything will run" in capsys.readouterr().err
    assert run(world, "plan") == 0
    assert capsys.readouterr().err == ""


def test_a_registry_of_a_newer_release_is_refused(world, capsys):
    (world.root / "registry" / "store").mkdir(parents=True)
    (world.root / "registry" / "store" / "gitune.json").write_text('{"format": 9, "id": "", "created": 0}')
    for verb in ("plan", "status", "apply"):
        assert run(world, verb) == 1
        assert "layout 9" in capsys.readouterr().err


def test_a_whole_life(world, capsys):
    assert run(world, "plan", "--detailed-exitcode") == 2
    assert run(world, "apply", "--yes") == 0
    assert "production is now 1.0.0" in capsys.readouterr().out
    assert run(world, "plan", "--detailed-exitcode") == 0
    assert run(world, "status") == 0
    assert "in sync" in capsys.readouterr().out

    world.spec |= {"version": "1.1.0"}
    world.spec["training"]["learning_rate"] = 0.002
    commit(world, "second")
    assert run(world, "apply", "--yes", "--json") == 0
    (outcome,) = json.loads(capsys.readouterr().out)["specs"]
    assert outcome["ran"] == ["train", "predict_tuned", "score", "gate", "deploy"]
    assert outcome["deployed"]["previous"] == "1.0.0"

    git(world, "revert", "--no-edit", "HEAD")
    assert run(world, "apply", "--yes", "--json") == 0
    (outcome,) = json.loads(capsys.readouterr().out)["specs"]
    assert outcome["ran"] == ["deploy"]
    assert run(world, "history", "bot", "--json") == 0
    log = json.loads(capsys.readouterr().out)["deployments"]
    assert [entry["version"] for entry in log] == ["1.0.0", "1.1.0", "1.0.0"]
    assert run(world, "explain", "bot") == 0
    shown = capsys.readouterr().out
    assert "✗" not in shown
    assert shown.count("✓") >= 10


def test_explain_finds_a_flipped_bit(world, capsys):
    run(world, "apply", "--yes")
    record = next(world.registry.records("score"))
    digest = record.outputs["scores"].digest
    blob = world.root / "registry/store/blobs/sha256" / digest[:2] / digest[2:]
    blob.chmod(0o644)
    blob.write_bytes(blob.read_bytes().replace(b"1", b"2", 1))
    capsys.readouterr()
    assert run(world, "explain", "bot") == 1
    captured = capsys.readouterr()
    assert "✗ score" in captured.out
    assert "do not verify" in captured.err


@pytest.mark.parametrize(
    ("old", "new", "link"),
    [
        ('"verdict": "PASS"', '"verdict": "INCONCLUSIVE"', "✗ version"),
        ('"engine": "llama_cpp"', '"engine": "transformers"', "✗ predict_tuned"),
        ('"base_digest": "', '"base_digest": "0', "✗ train"),
        ('"train_key": "', '"train_key": "0', "✗ version"),
    ],
)
def test_explain_finds_a_forged_version(world, capsys, old, new, link):
    run(world, "apply", "--yes")
    file = world.root / "registry/store/versions/bot/1.0.0.json"
    assert old in file.read_text()
    file.chmod(0o644)
    file.write_text(file.read_text().replace(old, new))
    capsys.readouterr()
    assert run(world, "explain", "bot") == 1
    assert link in capsys.readouterr().out


@pytest.mark.parametrize(("said", "code"), [("n\n", 1), ("y\n", 0)])
def test_apply_shows_the_plan_before_it_asks(world, capsys, monkeypatch, said, code):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stdin", Terminal(said))
    assert run(world, "apply", "--json") == code
    captured = capsys.readouterr()
    assert "Plan: 1 to run" in captured.err
    assert bool(captured.out) == (code == 0)
    assert ("not applied" in captured.err) == (code == 1)


def test_an_error_in_a_step_exits_1_also_where_a_request_was_at_fault(world, monkeypatch):
    def too_long(*_):
        raise UsageError("the conversation is longer than the context")

    monkeypatch.setattr("runner.steps.predict.run", too_long)
    assert run(world, "apply", "--yes") == 1


@pytest.mark.parametrize(
    ("number", "code", "words"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_an_apply_in_one_line(world, capsys, monkeypatch, number, code, words):
    monkeypatch.setattr("runner.steps.train.run", lambda _: os.kill(os.getpid(), number))
    before = signal.getsignal(signal.SIGTERM)
    assert run(world, "apply", "--yes") == code
    assert capsys.readouterr().err.splitlines()[-1] == f"{words}; the next apply goes on from the last finished step"
    assert signal.getsignal(signal.SIGTERM) is before
    assert not list(world.registry.records("train"))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["aply"], 64, "Did you mean 'apply'?"),
        (["plan", "--fast"], 64, "No such option"),
        (["apply"], 64, "pass --yes"),
        (["plan", "bott"], 64, "bot"),
        (["explain", "bot"], 64, "never been deployed"),
        (["report", "bot"], 64, "gitune apply"),
    ],
)
def test_wrong_usage(world, capsys, monkeypatch, arguments, code, words):
    monkeypatch.setattr("sys.stdin", open("/dev/null"))  # noqa: PTH123, SIM115
    assert run(world, *arguments) == code
    assert words in capsys.readouterr().err


def test_failed_gate_exits_3_and_production_stays(world, capsys):
    run(world, "apply", "--yes")
    world.spec |= {"version": "1.1.0"}
    world.spec["training"]["learning_rate"] = 0.5
    commit(world, "too hot")
    assert run(world, "apply", "--yes") == 3
    assert "FAIL" in capsys.readouterr().out
    assert world.registry.live("bot", "production").version == "1.0.0"


def test_failed_data_check_exits_5(world, capsys):
    (world.root / "specs/bot/data/bad.jsonl").write_text('{"input": "x", "output": {"colour": "pink", "size": "s"}}\n')
    assert run(world, "apply", "--yes") == 5
    assert "bad.jsonl:1" in capsys.readouterr().out


def test_uncommitted_spec_is_not_deployed(world, capsys):
    run(world, "apply", "--yes")
    world.spec |= {"version": "1.1.0"}
    world.write()
    assert run(world, "apply", "--yes") == 1
    assert "uncommitted" in capsys.readouterr().out


def test_report_is_markdown(world, capsys):
    run(world, "apply", "--yes")
    capsys.readouterr()
    assert run(world, "report", "bot") == 0
    shown = capsys.readouterr().out
    assert "exact_match" in shown
    assert "| gate" in shown.lower()


def test_report_is_written_in_the_format_of_the_file(world, capsys):
    run(world, "apply", "--yes")
    capsys.readouterr()
    for name, begins in (("a.md", "✅ **"), ("a.json", "{"), ("a.xml", "<?xml"), ("a.html", "<!"), ("a.txt", "Live ")):
        assert run(world, "report", "bot", "-o", str(world.root / name)) == 0
        assert (world.root / name).read_text(encoding="utf-8").startswith(begins)
    assert run(world, "report", "bot", "--format", "text", "--json") == 64
    assert run(world, "report", "bot", "-o", "report.pdf") == 64
    assert "--format" in capsys.readouterr().err


def test_a_report_that_cannot_be_made_is_an_error_in_junit_too(world, capsys):
    assert run(world, "report", "bot", "-o", str(world.root / "junit.xml")) == 64
    (suite,) = fromstring((world.root / "junit.xml").read_text(encoding="utf-8"))
    assert suite.get("errors") == "1"
    assert "has not been evaluated yet" in suite.find("testcase/error").get("message")
    assert "has not been evaluated yet" in capsys.readouterr().err


def test_report_names_a_commit_only_when_it_holds_the_spec(world, capsys):
    run(world, "apply", "--yes")
    world.spec |= {"version": "1.1.0"}
    world.spec["training"]["learning_rate"] = 0.002
    world.write()
    run(world, "apply", "--yes", "--through", "evaluate")
    capsys.readouterr()
    assert run(world, "report", "bot") == 0
    assert "not committed" in capsys.readouterr().out
    commit(world, "second")
    assert run(world, "report", "bot") == 0
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=world.root, check=True, capture_output=True, text=True)
    assert head.stdout.strip() in capsys.readouterr().out


def test_another_branch_is_told_why_nothing_is_deployed(world, capsys):
    git(world, "switch", "--quiet", "--create", "topic")
    assert run(world, "apply", "--yes") == 0
    assert "not deployed: deploys from main once merged; this is topic" in capsys.readouterr().out


def test_validate_builds_the_contract(world, capsys):
    world.spec["evaluation"]["output_format"] = {"regex": "(a"}
    world.write()
    assert run(world, "validate") == 1
    assert "spec.yaml:" in capsys.readouterr().err


def test_released_difference_is_told_against_the_release(world, capsys):
    run(world, "apply", "--yes")
    world.spec |= {"version": "1.1.0"}
    world.spec["training"]["learning_rate"] = 0.003
    commit(world, "a try")
    run(world, "apply", "--yes", "--through", "evaluate")
    world.spec |= {"version": "1.0.0"}
    world.spec["training"]["learning_rate"] = 0.002
    world.write()
    capsys.readouterr()
    assert run(world, "plan") == 1
    assert "learning_rate 0.001 → 0.002" in capsys.readouterr().out


def test_a_file_that_cannot_be_written_is_one_message(world, capsys):
    run(world, "apply", "--yes")
    capsys.readouterr()
    assert run(world, "report", "bot", "--out", str(world.root / ".gitignore" / "report.md")) == 1
    assert capsys.readouterr().err.startswith("Error: ")


def test_schema_leaves_other_peoples_files_alone(world):
    (world.root / "docs").mkdir()
    (world.root / "docs/spec.md").write_text("mine")
    assert run(world, "schema") == 0
    assert (world.root / "docs/spec.md").read_text() == "mine"
    assert (world.root / "schemas/spec.schema.json").exists()
    assert run(world, "schema", "--check") == 0


def test_works_as_a_module(world):
    done = subprocess.run([sys.executable, "-m", "runner", "version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0.1.0"


def test_outside_a_repository(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["-C", str(tmp_path), "plan"])
    assert end.value.code == 64
    assert "no specs/ folder" in capsys.readouterr().err


def test_plan_in_every_format(world, capsys):
    assert run(world, "plan", "--format", "json") == 0
    by_format = capsys.readouterr().out
    assert run(world, "plan", "--json") == 0
    assert json.loads(by_format) == json.loads(capsys.readouterr().out)
    assert run(world, "plan", "--format", "markdown") == 0
    assert "| bot 1.0.0 | new | prepare | train," in capsys.readouterr().out


def test_why_miss(world, capsys):
    assert run(world, "plan", "--why-miss") == 0
    assert "never run before: there is no record to compare with" in capsys.readouterr().out
    run(world, "apply", "--yes")
    world.spec |= {"version": "1.1.0"}
    world.spec["training"]["learning_rate"] = 0.002
    commit(world, "second")
    capsys.readouterr()
    assert run(world, "plan", "--why-miss", "train") == 0
    out = capsys.readouterr().out
    assert "training.learning_rate 0.001 → 0.002 (spec.yaml:15)" in out
    assert "a hit with: training.learning_rate 0.001 (spec.yaml:15)" in out
    assert "bot score" not in out
    assert run(world, "plan", "--why-miss", "bot") == 0
    assert "bot score: its key is not known yet, because train runs" in capsys.readouterr().out
    assert run(world, "plan", "--why-miss", "--json") == 0
    (train, *_) = json.loads(capsys.readouterr().out)["misses"]
    assert (train["step"], train["nearest"]["version"]) == ("train", "1.0.0")
    assert run(world, "plan", "--why-miss", "tarin") == 64
    assert "there is no spec named `tarin`" in capsys.readouterr().err


def test_over_budget_is_refused_before_anything_runs(world, capsys):
    run(world, "apply", "--yes")
    pretend_it_took(world, "train", 3600)
    (world.root / "registry/config.yaml").write_text(
        "prices: {default: {usd_per_hour: 2}}\npolicy: {budget: {usd: 1.5}}\n"
    )
    world.spec |= {"version": "1.1.0"}
    world.spec["training"]["learning_rate"] = 0.002
    world.spec["dataset"]["system_prompt"] = "Sort."
    commit(world, "second")
    capsys.readouterr()
    assert run(world, "plan") == 0
    assert "Over budget: up to $2.00 of $1.50." in capsys.readouterr().out
    assert run(world, "apply", "--yes") == 1
    captured = capsys.readouterr()
    assert "the plan is over budget" in captured.err
    assert not [record for record in world.registry.records("prepare") if record.version == "1.1.0"]
    assert run(world, "apply", "--yes", "--over-budget", "--json") == 0
    (outcome,) = json.loads(capsys.readouterr().out)["specs"]
    assert {"step", "seconds", "predicted_seconds"} == set(outcome["took"][0])
