"""Loading correct specs imports nothing that only errors, schemas or models need."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "rapidfuzz",
    "jsonschema",
    "torch",
    "transformers",
    "runner.spec.wording",
    "runner.spec.names",
    "runner.spec.yaml_syntax",
    "runner.spec.schema",
)
PROGRAM = """
import sys
from pathlib import Path
from runner.spec.config import load_config
from runner.spec.load import load_specs
load_config(Path(sys.argv[1]))
assert load_specs(Path(sys.argv[1]))
print(*(name for name in sys.argv[2:] if name in sys.modules))
"""


def test_a_correct_spec_needs_no_help(repository, design):
    repository.file.write_text(design)
    command = [sys.executable, "-c", PROGRAM, str(repository.root), *HEAVY]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == ""
