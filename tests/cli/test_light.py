"""What a command must not load: a plan costs the core's imports and nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest
from world import World

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


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["plan", "--json"], ["plan", "-o", "/dev/stdout"], ["status"], ["history", "bot"], ["frobnicate"]],
)
def test_loads_no_heavy_module(arguments, tmp_path):
    World(tmp_path).write()
    code = (
        "import sys\n"
        "from runner.cli.main import main\n"
        "try:\n"
        f"    main(['-C', {str(tmp_path)!r}, *{arguments!r}])\n"
        "except SystemExit as end:\n"
        "    print('exit', end.code, file=sys.stderr)\n"
        "print('LOADED', *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ("exit 64" if arguments == ["frobnicate"] else "exit 0") in done.stderr, done.stderr
    loaded = set(done.stderr.rsplit("LOADED", 1)[1].split())
    assert not loaded & HEAVY
