"""Plain progress: lines in CI, never ten seconds of silence."""

from __future__ import annotations

import time

from runner.cli import progress
from runner.cli.progress import Narrator
from runner.plan.walk import Decision
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
