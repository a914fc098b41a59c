"""The executor: what a child process finds out is what becomes of the step."""

from __future__ import annotations

import subprocess
import sys

from world import Silent, World

from runner.errors import RegistryError
from runner.executors.local import LocalExecutor
from runner.progress import silent
from runner.reconcile import Reconciler, apply_plan

HEAVY = {"torch", "transformers", "peft", "scipy", "numpy", "jsonschema", "click", "rich"}


def test_what_a_child_refuses_is_told_and_not_recorded(tmp_path, monkeypatch):
    world = World(tmp_path)
    plan, subjects = world.plan(), world.subjects()
    world.base = "edited since the plan"
    world.write_base()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    loop = Reconciler(
        world.registry, LocalExecutor(world.registry, tmp_path / "cache", silent), world.delivery(), Silent()
    )
    (outcome,) = apply_plan(plan, subjects, loop)
    assert outcome.ran == ["prepare"]
    assert isinstance(outcome.error, RegistryError)
    assert "file://base has changed" in outcome.error.message
    assert not list(world.registry.records("train"))
    assert not list((tmp_path / "scratch").iterdir())


def test_a_child_that_predicts_with_llama_cpp_loads_nothing_else():
    code = (
        "import sys, runner.executors.worker, runner.executors.work, runner.steps.predict, runner.inference.llama_cpp\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())
