"""SIGKILL at the worst moments, then apply again: the same deployed state as an undisturbed run."""

from __future__ import annotations

import signal

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


@pytest.fixture
def undisturbed(make_repository):
    return finish(make_repository("undisturbed"))


def test_killed_in_train(make_repository, undisturbed):
    repository = make_repository("killed")
    process = repository.start("apply", "--yes")
    for line in process.stderr:
        if "train: RUN" in line:
            break
    # Into the training proper, not its first import.
    for line in process.stderr:
        if "epoch" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert repository.registry.live("bot", "production") is None
    assert finish(repository) == undisturbed


@pytest.mark.parametrize("method", ["release", "append_deployment", "add_record", "put_tree"])
def test_killed_at_a_write(make_repository, undisturbed, method):
    repository = make_repository("killed")
    process = repository.start("apply", "--yes", code=KILL_IN.format(method=method))
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL
    assert repository.registry.live("bot", "production") is None
    assert finish(repository) == undisturbed
