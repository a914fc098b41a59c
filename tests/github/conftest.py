"""A repository on the GitHub of our tests."""

from __future__ import annotations

import pytest
from github_server import GitHubServer
from hubs import make_clone


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    """A server of our own has no other guests."""
    monkeypatch.setattr("runner.github.connection.PAUSE", 0)


@pytest.fixture
def clone(tmp_path):
    return make_clone(tmp_path)


@pytest.fixture
def hub(clone):
    with GitHubServer(clone.root.parent / "app.git") as server:
        server.people |= {"bob": "write", "eve": "read"}
        yield server
