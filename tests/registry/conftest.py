"""A registry in a folder, every kind of store, and facts with everything in them that a test does not care about."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import s3

import runner
from runner.registry.facts import Artifact, Content, Deployment, Failure, Record, Version
from runner.registry.registry import Registry
from runner.registry.store import open_store

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


@pytest.fixture(autouse=True, scope="session")
def programs_run_the_same_code():
    """What tests start beside themselves imports `runner` from where they do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(runner.__file__).parents[1]))
        yield


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    yield from s3.serve_s3(tmp_path_factory.mktemp("s3"))


@pytest.fixture(params=["folder", "memory:///", "s3"])
def store(request, tmp_path, monkeypatch):
    url = request.param
    if url == "s3":
        server = request.getfixturevalue("s3_server")
        server.enter(monkeypatch)
        url = server.url()
    return open_store(url, tmp_path)


@pytest.fixture
def registry(store, tmp_path):
    return Registry(store, tmp_path / "cache")


@pytest.fixture
def local(tmp_path):
    """A registry whose store is a folder that a test can damage: `tmp_path / "store"`."""
    return Registry(open_store("store", tmp_path), tmp_path / "cache")


@pytest.fixture
def make_record():
    def make(key="a" * 64, **fields):
        known = {"step": "train", "inputs": {"learning_rate": 0.0002}, "spec": "support", "version": "1.0.0"}
        return Record(key=key, started=NOW, finished=NOW, **(known | fields))

    return make


@pytest.fixture
def make_failure():
    def make(key="a" * 64, message="the loss is NaN"):
        return Failure(step="train", key=key, message=message, at=NOW)

    return make


@pytest.fixture
def make_version():
    def make(version="1.0.0", train_key="b" * 64, **fields):
        content = Content(
            base_model="pkg://p/m.gguf",
            base_digest="c" * 64,
            train_key=train_key,
            adapter=Artifact(digest="d" * 64, size=3, kind="tree"),
            engine="llama_cpp",
            generation={"max_new_tokens": 64, "temperature": 0.0},
        )
        known = {
            "name": "support",
            "keys": {"train": train_key},
            "champion": None,
            "verdict": "PASS",
            "commit": "e" * 40,
        }
        return Version(version=version, content=content, released=NOW, **(known | fields))

    return make


@pytest.fixture
def make_deployment():
    def make(number, name="support", alias="production", version="1.0.0", **fields):
        known = {"previous": None, "commit": "e" * 40, "target": "server", "deployed": NOW}
        return Deployment(number=number, name=name, alias=alias, version=version, **(known | fields))

    return make
