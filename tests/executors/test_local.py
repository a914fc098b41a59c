"""The executor: what a child process finds out is what becomes of the step."""

from __future__ import annotations

import subprocess
import sys

from world import Silent, World, fake_weights

from runner.errors import RegistryError
from runner.executors.crew import StoppedError
from runner.executors.local import LocalExecutor
from runner.progress import silent
from runner.reconcile import Reconciler, apply_plan
from runner.steps import deploy

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


def test_a_process_that_only_loads_a_model_starts_without_our_facts_and_specs():
    # Pydantic costs more than the start of the interpreter, and a revert waits for this process.
    code = "import runner.executors.worker, runner.steps.load, runner.inference.llama_cpp, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "xllamacpp" in loaded
    assert not {"pydantic", "yaml", "numpy"} & set(loaded)


def test_a_deployment_that_verifies_its_weights_ends_with_the_apply(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    world = World(tmp_path)
    loop, real = world.reconciler(), deploy.load_check

    def while_a_person_ends_it(context, version):
        loop.executor.stop()
        return real(context, version)

    monkeypatch.setattr(deploy, "load_check", while_a_person_ends_it)
    (outcome,) = apply_plan(world.plan(), world.subjects(), loop)
    assert isinstance(outcome.error, StoppedError)
    assert world.registry.live("bot", "production") is None


def test_weights_that_were_damaged_since_they_were_made_are_never_deployed(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    world = World(tmp_path)
    real = deploy.load_check

    def damaged(context, version):
        for blob in (tmp_path / "registry/store/blobs").glob("*/*/*"):
            blob.chmod(0o644)
            blob.write_bytes(b"x" * blob.stat().st_size)
        return real(context, version)

    monkeypatch.setattr(deploy, "load_check", damaged)
    _, outcome = world.apply()
    assert "is damaged" in str(outcome.error)
    assert world.registry.live("bot", "production") is None
    assert list((tmp_path / "registry/store/corrupt").iterdir())
