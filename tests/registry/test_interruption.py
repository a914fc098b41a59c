"""A writer killed at any moment leaves nothing half-written in sight."""

import subprocess
import sys
from pathlib import Path

import pytest

from runner.digest import digest_file
from runner.registry.facts import Record
from runner.registry.registry import open_registry

ROUNDS = 40


@pytest.mark.skipif(sys.platform == "win32", reason="forks and kills")
def test_nothing_half_written_is_ever_seen(tmp_path):
    program, store = Path(__file__).with_name("writers.py"), tmp_path / "store"
    subprocess.run([sys.executable, program, "killed", store, tmp_path, str(ROUNDS)], check=True, timeout=60)

    for path in (store / "blobs").rglob("*"):
        assert path.is_dir() or digest_file(path) == path.parent.name + path.name

    registry = open_registry(str(store), tmp_path, tmp_path / "cache")
    for folder in (store / "records" / "train").iterdir():
        files = list(folder.iterdir())
        assert {path.name for path in files} == {f"{n}.json" for n in range(1, len(files) + 1)}
        for path in files:
            record = Record.model_validate_json(path.read_bytes())
            assert all(registry.exists(artifact) for artifact in record.outputs.values())
