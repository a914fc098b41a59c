"""Three versions, released one after another."""

from __future__ import annotations

import pytest
from releases import release, signed_world


@pytest.fixture
def world(tmp_path, monkeypatch):
    return signed_world(tmp_path / "here", monkeypatch)


@pytest.fixture
def released(world, capsys):
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        release(world, version)
    capsys.readouterr()
    return world
