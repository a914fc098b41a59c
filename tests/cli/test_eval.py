"""`gitune eval` and `gitune report --compare` as a user meets them."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from repository import commit, committed_world, run
from world import World


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    return committed_world(tmp_path, monkeypatch)


def release(world, version, **training):
    world.spec["version"] = version
    world.spec["training"] |= training
    commit(world, version)
    assert run(world, "apply", "--yes") == 0


@pytest.fixture
def versions(world) -> World:
    """1.0.0 answers well, 1.1.0 badly, 1.2.0 well again; 1.3.0 is trained and not released."""
    world.spec["evaluation"]["gates"] = [{"metric": "format_compliance", "at_least": 0}]
    release(world, "1.0.0")
    release(world, "1.1.0", learning_rate=0.5)
    release(world, "1.2.0", learning_rate=0.002)
    world.spec["version"], world.spec["training"]["num_epochs"] = "1.3.0", 5
    commit(world, "1.3.0")
    assert run(world, "apply", "--yes", "--through", "gate") == 0
    return world


def test_two_versions_row_by_row(versions, capsys):
    assert run(versions, "report", "bot", "--compare", "1.0.0", "1.1.0") == 0
    text = capsys.readouterr().out
    assert "bot 1.0.0 → 1.1.0: exact_match 100.0 % → 0.0 %" in text
    assert "0 fixed" in text
    assert "I like colours." in text
    assert run(versions, "report", "bot", "--compare", "1.1.0", "1.3.0", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["counts"] == {"fixed": found["n"], "broken": 0, "both_right": 0, "both_wrong": 0}
    assert (found["difference"], found["right_by"], found["left_out"]) == (1.0, "exact_match", 0)
    assert {row["status"] for row in found["rows"]} == {"fixed"}
    assert found["rows"][0]["before"] == "I like colours."


REFUSED = [
    (("1.0.0", "2.0.0"), "bot 2.0.0 is neither released nor what the spec says\n    released: 1.0.0, 1.1.0, 1.2.0"),
    (("1.0.0", "x"), "x"),
]


@pytest.mark.parametrize(("pair", "said"), REFUSED)
def test_versions_that_are_not_there(versions, capsys, pair, said):
    assert run(versions, "report", "bot", "--compare", *pair) == 64
    assert said in capsys.readouterr().err


def test_other_test_rows_and_other_rules_are_refused(world, capsys):
    world.spec["evaluation"]["gates"] = [{"metric": "format_compliance", "at_least": 0}]
    release(world, "1.0.0")
    world.files["data/c.jsonl"] = list(range(120, 150))
    release(world, "1.1.0")
    assert run(world, "report", "bot", "--compare", "1.0.0", "1.1.0") == 64
    error = capsys.readouterr().err
    assert "answered other test rows" in error
    assert "--common-rows" in error
    assert run(world, "report", "bot", "--compare", "1.0.0", "1.1.0", "--common-rows", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n"] > 0 < found["left_out"]
    assert found["before"] == found["after"] == 1.0
    world.spec["dataset"]["label"] = "size"
    release(world, "1.2.0")
    assert run(world, "report", "bot", "--compare", "1.1.0", "1.2.0", "--common-rows") == 64
    assert "scored by other rules: label field" in capsys.readouterr().err


def test_the_ledger_follows_rows_through_versions(versions, capsys):
    assert run(versions, "eval", "ledger", "bot") == 0
    first, *lines = capsys.readouterr().out.splitlines()
    assert first.startswith("bot: 1.0.0 1.1.0 1.2.0;")
    rows = [line for line in lines if not line.startswith("      near ")]
    assert all("✓✗✓  flapping  1.2.0" in line for line in rows)
    assert re.search(r"near [01]\.\d\d specs/bot/data/[ab]\.jsonl:\d+", "\n".join(lines))
    assert run(versions, "eval", "ledger", "bot", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["unchanged"] == 0
    assert len(found["rows"]) == len(rows)


def test_the_ledger_leaves_out_what_was_scored_by_other_rules(versions, capsys):
    versions.spec["dataset"]["label"] = "size"
    release(versions, "1.4.0", num_epochs=7)
    capsys.readouterr()
    assert run(versions, "eval", "ledger", "bot") == 64
    assert "1 of 4 released versions have scores by the same rules" in capsys.readouterr().err


def test_common_rows_without_a_comparison(versions, capsys):
    assert run(versions, "report", "bot", "--common-rows") == 64
    assert "name two versions with --compare A B" in capsys.readouterr().err


def test_a_comparison_tells_what_the_nearest_training_rows_say(versions, capsys):
    assert run(versions, "report", "bot", "--compare", "1.0.0", "1.1.0") == 0
    assert re.search(
        r'near +[01]\.\d\d specs/bot/data/[ab]\.jsonl:\d+: item \d+ .* → \{"colour"', capsys.readouterr().out
    )


def test_one_version_has_no_ledger(world, capsys):
    assert run(world, "apply", "--yes") == 0
    assert run(world, "eval", "ledger", "bot") == 64
    assert "1 of 1 released versions have scores by the same rules" in capsys.readouterr().err


def test_rescore_says_what_an_apply_then_records(versions, capsys):
    versions.spec["evaluation"]["metrics"] = ["exact_match", "exact_match.colour"]
    versions.spec["evaluation"]["gates"] = [{"metric": "exact_match.colour", "not_worse_than": "champion"}]
    commit(versions, "another gate")
    keys = {step: sorted(one.key for one in versions.registry.records(step)) for step in ("score", "gate")}
    assert run(versions, "eval", "rescore", "bot") == 4
    text = capsys.readouterr().out
    assert "PASS → INCONCLUSIVE" in text
    assert "gone: format_compliance at least 0.0 % (PASS)" in text
    assert "computed from stored answers: score, gate" in text
    assert keys == {step: sorted(one.key for one in versions.registry.records(step)) for step in keys}
    assert run(versions, "eval", "rescore", "bot", "--json") == 4
    told = json.loads(capsys.readouterr().out)
    assert run(versions, "apply", "--yes", "--through", "gate") == 4
    recorded = max(versions.registry.records("gate"), key=lambda one: one.finished)
    assert recorded.metrics == told["gate"]
    capsys.readouterr()
    assert run(versions, "eval", "rescore", "bot") == 4
    assert "nothing differs from what the registry has" in capsys.readouterr().out


def test_a_released_version_is_judged_by_its_new_gates_and_stays_released(world, capsys):
    assert run(world, "apply", "--yes") == 0
    world.spec["evaluation"]["gates"] = [{"metric": "exact_match", "at_most": 0.5}]
    commit(world, "impossible")
    assert run(world, "eval", "rescore", "bot") == 3
    assert "its release stands" in capsys.readouterr().out


def test_without_answers_it_says_which_step_must_run(world, capsys):
    assert run(world, "eval", "rescore", "bot") == 64
    error = capsys.readouterr().err
    assert "train has to run" in error
    assert "gitune apply --through evaluate" in error


def test_no_model_is_loaded(versions):
    code = (
        "import sys; from runner.cli.main import main\n"
        "try: main(['-C', sys.argv[1], 'eval', 'rescore', 'bot'])\n"
        "except SystemExit: pass\n"
        "assert not {'torch', 'transformers', 'xllamacpp', 'peft'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(versions.root)], check=True)
