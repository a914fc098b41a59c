"""Plans, applies and gates of a spec whose metrics ask a program and a judge: both real, weights faked."""

from __future__ import annotations

import json
import sys

import pytest
import yaml
from chat_server import ChatServer, said
from world import World, fake_weights

PROGRAM = """\
import json, sys
for line in sys.stdin:
    row = json.loads(line)
    print(json.dumps({"row": row["row"], "score": float(row["answer"].startswith("{"))}))
"""


GOOD, BAD = (said(json.dumps({"reason": "form", "score": score})) for score in (1, 0))


def strict(asked, _):
    """A judge that likes JSON, as the people of the calibration do."""
    answer = asked["messages"][1]["content"].partition("answer to grade>>\n")[2]
    return GOOD if answer.startswith("{") else BAD


def contrary(asked, number):
    return BAD if strict(asked, number) == GOOD else GOOD


def labels(count=50):
    rows = [
        {"input": f"q{n}", "reference": "r", "answer": f"{'{' if n % 2 else ''}a{n}", "label": n % 2}
        for n in range(count)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def world(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    world = World(tmp_path)
    evaluation = world.spec["evaluation"]
    evaluation["custom_metrics"] = [
        {"name": "braces", "command": "scorer"},
        {"name": "polite", "judge": "big", "rubric": "rubric.md", "calibration": "cal.jsonl"},
    ]
    evaluation["metrics"] = ["exact_match", "braces", "polite", "cost_per_1000"]
    evaluation["gates"] += [{"metric": "polite", "at_least": 0.3}]
    for name in ("scripts", "registry", "specs/bot"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "scripts/score.py").write_text(PROGRAM)
    (tmp_path / "specs/bot/rubric.md").write_text("Is it JSON?")
    (tmp_path / "specs/bot/cal.jsonl").write_text(labels())
    return world


def configure(world, server):
    config = {
        "metrics": [{"name": "scorer", "command": [sys.executable, "scripts/score.py"]}],
        "endpoints": [{"name": "big", "url": server.url, "model": "big-1", "api_key_env": "TEST_JUDGE_KEY"}],
        "prices": {"tokens": {"input_per_million": 1, "output_per_million": 2}},
    }
    (world.root / "registry/config.yaml").write_text(yaml.safe_dump(config))


def bumped(world, number):
    world.spec["version"] = f"1.{number}.0"


def test_only_what_they_say_is_asked_again(world, monkeypatch):
    monkeypatch.setenv("TEST_JUDGE_KEY", "sk-secret-of-the-test")
    with ChatServer(strict) as server:
        configure(world, server)
        _, first = world.apply()
        assert first.exit_code == 0, first
        scored = next(iter(world.registry.records("score")))
        assert scored.metrics["tuned"]["polite"] == scored.metrics["tuned"]["braces"] == 1.0
        assert scored.metrics["base"]["polite"] == scored.metrics["base"]["braces"] == 0.0
        assert scored.metrics["tuned"]["cost_per_1000"] > 0
        assert scored.metrics["judges"]["polite"]["agreement"] == 1.0

        asked = len(server.requests)
        assert world.apply()[1].ran == []
        bumped(world, 1)
        world.spec["evaluation"]["metrics"].append("exact_match.colour")
        assert world.apply()[1].ran == ["score", "gate", "deploy"]
        assert len(server.requests) == asked  # judged before

        bumped(world, 2)
        (world.root / "specs/bot/rubric.md").write_text("Is it JSON, and polite?")
        server.reply = lambda asked, number: BAD if "small" in str(asked) else strict(asked, number)
        plan, outcome = world.apply()
        assert outcome.ran == ["score", "gate", "deploy"]
        (score,) = [step for step in plan.specs[0].steps if step.step == "score"]
        assert "custom_metrics.polite.rubric" in score.reason
        assert len(server.requests) > asked

        bumped(world, 3)
        # Other words, the same scores: there is nothing to judge anew.
        (world.root / "scripts/score.py").write_text(PROGRAM + "# better\n")
        assert world.apply()[1].ran == ["score", "deploy"]
    kept = [path for path in world.root.rglob("*") if path.is_file()]
    assert not [path for path in kept if b"sk-secret-of-the-test" in path.read_bytes()]


def test_a_judge_that_disagrees_with_people_opens_no_gate(world, monkeypatch):
    monkeypatch.setenv("TEST_JUDGE_KEY", "sk-secret-of-the-test")
    with ChatServer(contrary) as server:
        configure(world, server)
        _, outcome = world.apply()
    assert outcome.exit_code == 1
    assert "no gate can go by polite" in str(outcome.error)
    assert world.registry.live("bot", "production") is None


def test_a_judge_that_is_down_is_no_bad_score(world, monkeypatch):
    monkeypatch.setenv("TEST_JUDGE_KEY", "sk-secret-of-the-test")
    monkeypatch.setattr("runner.providers.chat.ATTEMPTS", 1)
    with ChatServer(lambda *_: (503, {}, "down")) as server:
        configure(world, server)
        _, outcome = world.apply()
        assert "status 503" in str(outcome.error)
        assert not list(world.registry.records("score"))
        server.reply = strict
        assert world.apply()[1].ran == ["score", "gate", "deploy"]


def test_a_program_that_fails_is_no_bad_score(world, monkeypatch):
    monkeypatch.setenv("TEST_JUDGE_KEY", "sk-secret-of-the-test")
    (world.root / "scripts/score.py").write_text("raise SystemExit('no')")
    with ChatServer(strict) as server:
        configure(world, server)
        _, outcome = world.apply()
    assert "the metric program scorer failed with exit code 1: no" in str(outcome.error)
    assert not list(world.registry.records("score"))
