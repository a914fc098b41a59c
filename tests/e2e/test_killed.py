"""Ended at the worst moments, then applied again: the same deployed state as an undisturbed run."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

KILL_IN = """
import os, signal
import runner.registry.registry as registry
registry.Registry.{method} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from runner.cli.main import main
main()
"""


def finish(repository):
    done = repository.gitune("apply", "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    return repository.state()


@pytest.fixture(scope="module")
def undisturbed(make_repository):
    return finish(make_repository("undisturbed"))


def train_of(repository) -> tuple[subprocess.Popen, int]:
    """Start an apply; return it and the id of its child once that is in the training proper, not its first import."""
    process = repository.start("apply", "--yes")
    for line in process.stderr:
        if "epoch" in line:
            break
    (child,) = subprocess.check_output(["pgrep", "-P", str(process.pid)], text=True).split()
    return process, int(child)


def is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGKILL, -signal.SIGKILL, ""),
        (signal.SIGINT, 130, "interrupted; the next apply goes on"),
        (signal.SIGTERM, 143, "terminated; the next apply goes on"),
    ],
)
def test_ended_in_train(make_repository, undisturbed, number, code, words):
    repository = make_repository("ended")
    process, child = train_of(repository)
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert process.returncode == code
    assert words in err
    assert "Traceback" not in err
    deadline = time.monotonic() + 2
    while is_running(child):
        assert time.monotonic() < deadline
    assert repository.registry.live("bot", "production") is None
    assert finish(repository) == undisturbed


def test_child_killed_in_train(make_repository, undisturbed):
    repository = make_repository("killed")
    process, child = train_of(repository)
    os.kill(child, signal.SIGKILL)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert "failed: train broke down: its process was killed by SIGKILL" in out
    assert "memory ran out" in out
    assert "Traceback" not in out + err
    assert finish(repository) == undisturbed


@pytest.mark.parametrize("method", ["release", "append_deployment", "add_record_once"])
def test_killed_at_a_write(make_repository, undisturbed, method):
    repository = make_repository("killed")
    process = repository.start("apply", "--yes", code=KILL_IN.format(method=method))
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL
    assert repository.registry.live("bot", "production") is None
    assert finish(repository) == undisturbed


def test_child_killed_at_a_write(make_repository, undisturbed, tmp_path, monkeypatch):
    repository = make_repository("killed")
    # Every interpreter runs a module of this name as it starts, the child's too.
    (tmp_path / "sitecustomize.py").write_text(KILL_IN.format(method="put_tree").partition("from runner.cli")[0])
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{Path(__file__).parents[2]}")
        done = repository.gitune("apply", "--yes")
    assert done.returncode == 1
    assert "train broke down: its process was killed by SIGKILL" in done.stdout
    assert finish(repository) == undisturbed
