"""A writer killed at any moment leaves nothing half-written in sight, and the next apply heals what it left."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.digest import digest_file
from runner.registry.facts import Record
from runner.registry.registry import open_registry
from runner.registry.store import open_store

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


@pytest.fixture(scope="module")
def kill_points(tmp_path_factory):
    if sys.platform == "win32":
        pytest.skip("forks and kills")
    program = Path(__file__).with_name("kill_points.py")
    command = [sys.executable, program, tmp_path_factory.mktemp("kills")]
    done = subprocess.run(command, check=True, timeout=300, stdout=subprocess.PIPE, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_kill_at_every_operation_leaves_the_old_or_the_new_truth_and_the_next_apply_heals(kill_points):
    assert [point for point in kill_points if point["wrong"]] == []
    assert len(kill_points) > 120
    assert len({point["write"] for point in kill_points}) == 12


@pytest.mark.parametrize(
    "write", ["blob", "record", "failure", "version", "deployment", "lease beat", "decision", "record once"]
)
def test_what_is_named_was_synced_before_and_its_name_after(kill_points, write):
    """A power cut keeps what fsync was called for, and nothing else."""
    order = [point["operation"] for point in kill_points if (point["write"], point["when"]) == (write, "before")]
    named = next(at for at, operation in enumerate(order) if operation in ("link", "replace"))
    assert "write" in order[:named]
    assert "fsync file" in order[order.index("write") : named]
    assert "fsync folder" in order[named:]


UPLOAD = """
import os, signal, sys
from pathlib import Path
from runner.registry.store import open_store

def chunks():
    for number in range(20):
        if number == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        yield bytes([number]) * 2_000_000

open_store(sys.argv[1], Path()).put_stream("blobs/a", chunks())
"""


@pytest.mark.parametrize("at", [0, 1, 5, 10, 19])
def test_an_upload_that_is_killed_is_not_seen(s3_server, monkeypatch, tmp_path, at):
    s3_server.enter(monkeypatch)
    url = s3_server.url()
    store = open_store(url, tmp_path)
    for seen in (None, b"old"):
        died = subprocess.run([sys.executable, "-c", UPLOAD, url, str(at)], check=False, env=os.environ)
        assert died.returncode == -9
        assert store.read("blobs/a") == seen
        assert list(store.list("")) == (["blobs/a"] if seen else [])
        store.put_stream("blobs/a", [b"old"])
    subprocess.run([sys.executable, "-c", UPLOAD, url, "99"], check=True)
    assert store.size("blobs/a") == 40_000_000
