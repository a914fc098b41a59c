"""`make demo` on the real model; then the model it leaves behind, answered by the other engine."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from runner.cli.project import cache_folder
from runner.data.prompts import prompts_from_jsonl
from runner.inference.engine import ModelFiles, open_engine
from runner.models.base import BaseRef, materialize
from runner.models.hf_to_gguf import export_gguf
from runner.progress import silent
from runner.registry.registry import open_registry
from runner.spec.evaluation import Generation

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home() -> Path:
    """The demo checks every claim of its story itself and ends with 0 only when all hold."""
    demo = Path(__file__).with_name("demo.py")
    done = subprocess.run([sys.executable, demo], check=False)
    assert done.returncode == 0
    return Path(__file__).parents[2] / "build" / "demo"


def test_the_demo_leaves_the_old_model_live_and_both_reports(home):
    registry = open_registry("registry/store", home, cache_folder())
    log = registry.deployments("support-triage", "production")
    assert [entry.version for entry in log] == ["1.0.0", "1.1.0", "1.0.0"]
    assert registry.version("support-triage", "1.2.0") is None
    assert "passes all 3 gates" in (home / "report.html").read_text()
    assert (home / "report-1.2.0.md").read_text().startswith("❌")


ASKED = 60
"""Prompts that both engines answer."""


def answers_of(engine, model, prompts, generation):
    with open_engine(engine, model) as opened:
        return {answer.prompt_id: answer.text for answer in opened.answer(prompts, generation, silent)}


def test_both_engines_give_the_tuned_models_greedy_answers(home, tmp_path):
    """On the same weights they agree; on the served 4-bit ones llama.cpp also rounds activations, to 8 bits."""
    registry = open_registry("registry/store", home, cache_folder())
    version = registry.version("support-triage", "1.0.0")
    content, generation = version.content, Generation(**version.content.generation)
    record = registry.record("prepare", version.keys["prepare"])
    prompts = prompts_from_jsonl(registry.read(record.outputs["prompts"]))[:ASKED]
    adapter = registry.fetch(content.adapter)
    quantized = materialize(BaseRef(content.base_model, content.base_digest, 0), home, cache_folder())
    exported = tmp_path / "unquantized.gguf"
    export_gguf(quantized.checkpoint, exported, silent)

    reference = answers_of("transformers", ModelFiles(quantized, adapter), prompts, generation)
    unquantized = answers_of("llama_cpp", ModelFiles(replace(quantized, gguf=exported), adapter), prompts, generation)
    stored = registry.read(registry.record("predict_tuned", version.keys["predict_tuned"]).outputs["answers"])
    served = {answer["prompt_id"]: answer["text"] for answer in map(json.loads, stored.splitlines())}
    assert len(reference) == ASKED
    assert sum(unquantized[prompt] == text for prompt, text in reference.items()) >= 0.95 * ASKED
    assert sum(served[prompt] == text for prompt, text in reference.items()) >= 0.80 * ASKED
