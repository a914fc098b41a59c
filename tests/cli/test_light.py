"""What a command must not load: a plan costs the core's imports and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest
from world import World, fake_weights

HEAVY = {
    "torch",
    "transformers",
    "peft",
    "datasets",
    "openai",
    "together",
    "ray",
    "starlette",
    "git",
    "jsonschema",
    "xllamacpp",
    "uvicorn",
    "httpx",
    "scipy",
    "numpy",
}
# What a plan with nothing to do and nothing to read anew can do without.
UNUSED = {
    "yaml",
    "runner.spec.yaml_tree",
    "runner.training.sizing",
    "runner.models.shape",
    "runner.evaluation.gates",
    "runner.plan.difference",
    "runner.plan.saved",
    "runner.reconcile",
    "runner.registry.gc",
    "runner.registry.portable",
    "runner.report.markdown",
    "runner.steps",
}


def modules_after(root, arguments):
    """Run a verb in a new interpreter; return all that it loaded, and its exit code."""
    code = (
        "import sys\n"
        "from runner.cli.main import main\n"
        "try:\n"
        f"    main(['-C', {str(root)!r}, *{arguments!r}])\n"
        "except SystemExit as end:\n"
        "    print('exit', end.code, file=sys.stderr)\n"
        "print('LOADED', *sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    end, _, loaded = done.stderr.rpartition("LOADED")
    return set(loaded.split()), end.split("exit ")[-1].strip(), done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["plan", "--json"],
        ["plan", "-o", "/dev/stdout"],
        ["status"],
        ["history", "bot"],
        ["registry", "ls"],
        ["frobnicate"],
    ],
)
def test_loads_no_heavy_module(arguments, tmp_path):
    World(tmp_path).write()
    loaded, code, _ = modules_after(tmp_path, arguments)
    assert code == ("64" if arguments == ["frobnicate"] else "0")
    assert not {name.partition(".")[0] for name in loaded} & HEAVY


def test_a_plan_with_nothing_to_do_loads_little(tmp_path, monkeypatch):
    fake_weights(monkeypatch)
    monkeypatch.setenv("GITUNE_CACHE", str(tmp_path / "cache"))
    World(tmp_path).apply()
    modules_after(tmp_path, ["plan"])
    loaded, _, told = modules_after(tmp_path, ["plan"])
    assert told == "No changes. 1 spec is up to date.\n"
    assert not loaded & (HEAVY | UNUSED)
