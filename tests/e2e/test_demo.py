"""`make demo` on the real model, with less training; then the model it leaves behind, answered by the other engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli.project import cache_folder
from runner.data.prompts import prompts_from_jsonl
from runner.inference.engine import ModelFiles, open_engine
from runner.models.base import BaseRef, materialize
from runner.progress import silent
from runner.registry.registry import open_registry
from runner.spec.models import Generation

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home() -> Path:
    """The demo checks every claim of its story itself and ends with 0 only when all hold."""
    demo = Path(__file__).with_name("demo.py")
    done = subprocess.run([sys.executable, demo], env={**os.environ, "DEMO_FAST": "1"}, check=False)
    assert done.returncode == 0
    return Path(__file__).parents[2] / "build" / "demo"


def test_the_demo_leaves_the_old_model_live_and_both_reports(home):
    registry = open_registry("registry/store", home, cache_folder())
    log = registry.deployments("support-triage", "production")
    assert [entry.version for entry in log] == ["1.0.0", "1.1.0", "1.0.0"]
    assert registry.version("support-triage", "1.2.0") is None
    assert (home / "report.md").read_text().startswith("✅")
    assert (home / "report-1.2.0.md").read_text().startswith("❌")


def test_transformers_gives_the_greedy_answers_that_are_served(home):
    registry = open_registry("registry/store", home, cache_folder())
    version = registry.version("support-triage", "1.0.0")
    content = version.content
    served = registry.record("predict_tuned", version.keys["predict_tuned"]).outputs["answers"]
    expected = {answer["prompt_id"]: answer["text"] for answer in map(json.loads, registry.read(served).splitlines())}
    prompts = prompts_from_jsonl(registry.read(registry.record("prepare", version.keys["prepare"]).outputs["prompts"]))
    base = materialize(BaseRef(content.base_model, content.base_digest, 0), home, cache_folder())
    with open_engine("transformers", ModelFiles(base, registry.fetch(content.adapter))) as engine:
        answers = list(engine.answer(prompts, Generation(**content.generation), silent))
    equal = sum(answer.text == expected[answer.prompt_id] for answer in answers)
    assert len(answers) == len(expected) >= 100
    assert equal / len(answers) >= 0.95, f"{equal} of {len(answers)} greedy answers agree"
