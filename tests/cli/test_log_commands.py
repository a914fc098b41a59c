"""In a job of GitHub Actions nothing that gitune prints is a command to the runner."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest


def run(folder, **environ):
    command = [sys.executable, "-m", "runner", "-C", str(folder), "validate"]
    return subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True, check=False).stderr


@pytest.fixture
def hostile(tmp_path):
    folder = tmp_path / "specs" / "bot"
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text('name: "##[add-matcher]x ::set-output name=a::b"\n')
    return tmp_path


def test_commands_are_off_before_anything_is_printed_and_nobody_knows_the_word(hostile):
    first, second = (run(hostile, GITHUB_ACTIONS="true") for _ in range(2))
    words = [re.match(r"::stop-commands::([0-9a-f]{32})\n", text)[1] for text in (first, second)]
    assert words[0] != words[1]
    assert all(text.count(word) == 1 for text, word in zip((first, second), words, strict=True))
    assert "add-matcher" in first


def test_elsewhere_nothing_is_added(hostile):
    assert "stop-commands" not in run(hostile)
