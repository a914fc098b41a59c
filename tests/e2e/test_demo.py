"""`make demo` on the real model, with less training: every claim of the story is checked by the story itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_demo():
    demo = Path(__file__).with_name("demo.py")
    done = subprocess.run([sys.executable, demo], env={**os.environ, "DEMO_FAST": "1"}, check=False)
    assert done.returncode == 0
