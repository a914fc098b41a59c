"""Plain progress: lines in CI, never ten seconds of silence."""

from __future__ import annotations

import threading
import time

import pytest

from runner.cli import progress
from runner.cli.progress import Narrator
from runner.plan.decision import Decision
from runner.progress import Progress


def told(capsys) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_one_kind_of_work_is_told_at_most_every_few_seconds(capsys):
    with Narrator() as narrator:
        for done in range(1, 101):
            narrator.report(Progress("answering", done, 100, "prompts"))
    assert told(capsys) == ["    answering 1/100 prompts", "    answering 100/100 prompts"]


def test_silence_is_broken(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SILENCE", 0.5)
    with Narrator() as narrator:
        narrator.decided("bot", Decision("train", "RUN", "never run before"))
        time.sleep(2.2)
    first, *others = told(capsys)
    assert first == "+ bot train: RUN never run before"
    assert others
    assert all(line.startswith("    train … ") for line in others)


def test_what_runs_and_what_is_reused(capsys):
    with Narrator() as narrator:
        narrator.decided("bot", Decision("prepare", "REUSE", "up to date"))
        narrator.decided("bot", Decision("deploy", "BLOCKED", "its gates say FAIL"))
    assert told(capsys) == ["= bot prepare: REUSE up to date", "! bot deploy: BLOCKED its gates say FAIL"]


def test_that_idle_specs_are_reused_is_not_told_again(capsys):
    with Narrator(idle=frozenset({"bot"})) as narrator:
        narrator.decided("bot", Decision("prepare", "REUSE", "up to date"))
        narrator.decided("bot", Decision("predict_champion", "NONE", "no version to compare with"))
        narrator.decided("other", Decision("prepare", "REUSE", "up to date"))
        narrator.decided("bot", Decision("deploy", "RUN", "the alias moved meanwhile"))
    assert told(capsys) == ["= other prepare: REUSE up to date", "+ bot deploy: RUN the alias moved meanwhile"]


def test_side_by_side_every_line_names_its_spec(capsys):
    def work(name):
        narrator.decided(name, Decision("train", "RUN", "never run before"))
        both.wait()
        narrator.report(Progress("training", 1, 2, "steps"))
        narrator.finished(name, Decision("train", "RUN", "never run before"), None)

    both = threading.Barrier(2)
    with Narrator(several=True) as narrator:
        threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = told(capsys)
    for name in "ab":
        own = [line for line in lines if f"{name}" in line.replace("training", "").split(":")[0]]
        assert f"    {name}: training 1/2 steps" in own
        assert any(line.startswith(f"  {name} train: done in") for line in own)


def test_an_interruption_says_what_was_finished(capsys):
    narrator = Narrator()
    narrator.decided("bot", Decision("prepare", "RUN", "never run before"))
    narrator.finished("bot", Decision("prepare", "RUN", "never run before"), None)
    with pytest.raises(KeyboardInterrupt), narrator:
        raise KeyboardInterrupt
    assert told(capsys)[-1] == "stopped; finished before that: bot prepare"
