"""A repository with one spec that is really trained, answered, gated and deployed: something to revert.

    python benchmarks/planning/real.py FOLDER COUNT

It is trained on the tests' tiny Llama, beside COUNT specs as repository.py makes them, and released as 1.0.0 and, with
another learning rate, as 1.1.0.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from meter import gitune
from repository import build, commit

NAME = "real"
SPEC = """\
apiVersion: gitune/v1
name: real
version: {version}
base_model: file://tiny
engine: llama_cpp
dataset:
  train: [rows.jsonl]
training: {{num_epochs: 1, learning_rate: {rate}, max_length: 128}}
evaluation:
  task: classification
  metrics: [exact_match]
  primary: exact_match
  generation: {{max_new_tokens: 6}}
  gates:
    - {{metric: exact_match, at_least: 0.0}}
"""


def release(root: Path, version: str, rate: float) -> None:
    """Write the spec, commit it and have it applied."""
    (root / "specs" / NAME / "spec.yaml").write_text(SPEC.format(version=version, rate=rate), encoding="utf-8")
    commit(root, f"Release {NAME} {version}")
    gitune(root, "apply", "--yes", NAME)


if __name__ == "__main__":
    from tiny import make_tiny_llama
    from world import row

    folder = Path(sys.argv[1])
    build(folder, int(sys.argv[2]))
    make_tiny_llama(folder / "tiny")
    (folder / "specs" / NAME).mkdir()
    rows = "".join(json.dumps(row(n)) + "\n" for n in range(60))
    (folder / "specs" / NAME / "rows.jsonl").write_text(rows, encoding="utf-8")
    release(folder, "1.0.0", 0.002)
    release(folder, "1.1.0", 0.001)
