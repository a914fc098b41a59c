"""A repository with many released specs, made by the real `gitune apply`; only where weights would be are fakes.

    python benchmarks/planning/repository.py FOLDER COUNT

Every spec has rows, a lock, a schema, and hyperparameters of its own, so nothing is shared and every step of every spec
has its record: prepare, train, predict_base, predict_tuned, score and gate, besides a version and a log entry. The
planner, the steps, the registry and git are the real ones; the fakes are those of tests/world.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

ROWS = 60
"""Rows of a spec: ten more than the least that the default checks let through."""

SPEC = """\
# yaml-language-server: $schema=../../schemas/spec.schema.json
apiVersion: gitune/v1
name: {name}
version: 1.0.0
description: Sort item {number} of the catalogue by colour and size, as JSON.
owner: catalogue

base_model: hf://example/base@{commit}
backend: local
engine: llama_cpp

dataset:
  train: [data/*.jsonl]
  format: input_output
  system_prompt: "Sort it. Answer with JSON: colour, size."
  label: colour
  split: {{validation: 0.1, test: 0.4, seed: 42}}
  checks: {{pii: warn, duplicates: drop, min_examples: 50}}

training:
  method: lora
  num_epochs: 2
  learning_rate: {rate}  # found by a sweep over item 0
  batch_size: 4
  max_length: 512
  lora: {{r: 16, alpha: 32, target_modules: all-linear}}
  seed: 42

evaluation:
  task: classification
  metrics: [exact_match, exact_match.colour, exact_match.size, macro_f1]
  primary: exact_match
  output_format: {{json_schema: output.schema.json}}
  generation: {{max_new_tokens: 32, temperature: 0}}
  gates:
    - {{metric: exact_match, beats: base, by: {{points: 10}}}}
    - {{metric: format_compliance, at_least: 0.9}}
    - {{metric: exact_match, not_worse_than: champion, margin: {{points: 10}}}}
  on_inconclusive: fail

deployment:
  target: server
  alias: production
"""
LOCK = 'hf://example/base@{commit}:\n  model_type: llama\n  sha256: "{digest}"\n  size: 98000000\n'


def write_specs(root: Path, count: int) -> None:
    """Write specs, rows, schemas and locks."""
    from world import SCHEMA, row

    # The fakes take this for the files of any base model.
    (root / "base").mkdir()
    (root / "base" / "config.json").write_text('{"model_type": "llama"}', encoding="utf-8")
    for number in range(count):
        folder = root / "specs" / f"item-{number:04}"
        (folder / "data").mkdir(parents=True)
        rate = f"{1e-4 + number * 1e-7:.7f}"
        text = SPEC.format(name=folder.name, number=number, commit="c" * 40, rate=rate)
        (folder / "spec.yaml").write_text(text, encoding="utf-8")
        (folder / "data.lock").write_text(LOCK.format(commit="c" * 40, digest="d" * 64), encoding="utf-8")
        (folder / "output.schema.json").write_text(json.dumps(SCHEMA, indent=2), encoding="utf-8")
        rows = "".join(json.dumps(row(number * ROWS + n)) + "\n" for n in range(ROWS))
        (folder / "data" / "rows.jsonl").write_text(rows, encoding="utf-8")


def commit(root: Path, message: str) -> None:
    """Commit everything, as somebody whom no configuration needs to name."""
    me = ["-c", "user.name=bench", "-c", "user.email=bench@example.com", "-c", "commit.gpgsign=false"]
    for arguments in (["add", "-A"], [*me, "commit", "-q", "-m", message]):
        subprocess.run(["git", "-C", str(root), *arguments], check=True)


def start(root: Path) -> None:
    """Make an empty repository on the deploy branch that keeps its registry out of git."""
    root.mkdir(parents=True)
    subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True)
    (root / ".gitignore").write_text("registry/store/\ncache/\n.site/\n", encoding="utf-8")


def apply_with_fakes(root: Path) -> None:
    """Run `gitune apply --yes` in this process, with the tests' fakes in place of weights."""
    import pytest
    from world import fake_weights

    from runner.cli.main import main

    os.environ["GITUNE_CACHE"] = str(root / "cache")
    fake_weights(pytest.MonkeyPatch())
    try:
        main(["-C", str(root), "apply", "--yes"])
    except SystemExit as end:
        if end.code:
            raise


def build(root: Path, count: int) -> None:
    """Make a repository of released specs."""
    start(root)
    write_specs(root, count)
    commit(root, f"Add {count} specs")
    apply_with_fakes(root)


if __name__ == "__main__":
    build(Path(sys.argv[1]), int(sys.argv[2]))
