"""A registry in a folder, both kinds of store, and facts with everything in them that a test does not care about.

`GITUNE_TEST_STORE=s3://bucket/prefix pytest tests/registry` runs the same tests against a real object store as well.
"""

import os
import secrets
from datetime import UTC, datetime

import pytest

from runner.registry.facts import Artifact, Content, Deployment, Failure, Record, Version
from runner.registry.registry import Registry
from runner.registry.store import open_store

NOW = datetime(2026, 11, 22, 10, 30, tzinfo=UTC)


REMOTE = [url for url in [os.environ.get("GITUNE_TEST_STORE")] if url]


@pytest.fixture(params=["folder", "memory:///", *REMOTE])
def store(request, tmp_path):
    if request.param in REMOTE:
        return open_store(f"{request.param}/{secrets.token_hex(8)}", tmp_path)
    return open_store(request.param, tmp_path)


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
