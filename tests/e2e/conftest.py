"""A committed repository whose base is a tiny random Llama: the whole main job in seconds, nothing faked."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tiny import make_tiny_llama
from world import SPEC, World

from runner.registry.registry import open_registry


class Repository(World):
    """A World under git, worked in by real `gitune` processes."""

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=T", "-c", "user.email=t@example.invalid"]
        subprocess.run(["git", *identity, *arguments], cwd=self.root, check=True, capture_output=True)

    def commit(self, message: str) -> None:
        self.write()
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", message)

    def write_base(self) -> None:
        if not (self.root / "base").exists():
            make_tiny_llama(self.root / "base")

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "GITUNE_CACHE": str(self.root / "cache")}

    def use_store(self, url: str) -> None:
        (self.root / "registry").mkdir(exist_ok=True)
        (self.root / "registry" / "config.yaml").write_text(yaml.safe_dump({"store": url}))
        self.registry = open_registry(url, self.root, self.root / "cache")

    def add_spec(self, name: str, **changes) -> None:
        """Commit a second spec that differs from the first as told."""
        shutil.copytree(self.root / "specs/bot", self.root / "specs" / name)
        spec = {**self.spec, "name": name}
        for field, values in changes.items():
            spec[field] = {**spec[field], **values}
        (self.root / "specs" / name / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", name)

    def start(
        self, *arguments: str, code: str = "from runner.cli.main import main; main()", environment: dict | None = None
    ) -> subprocess.Popen:
        command = [sys.executable, "-c", code, "-C", str(self.root), *arguments]
        return subprocess.Popen(
            command,
            env={**self.environment, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )

    def gitune(self, *arguments: str) -> subprocess.CompletedProcess:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def state(self) -> dict:
        """What is live, by content: everything but times, numbers of tries and commits."""
        live = self.registry.live("bot", "production")
        version = self.registry.version("bot", live.version)
        history = json.loads(self.gitune("history", "bot", "--json").stdout)["deployments"]
        return {
            "live": live.version,
            "content": version.content.model_dump(mode="json"),
            "keys": version.keys,
            "log": [(entry["number"], entry["version"], entry["previous"]) for entry in history],
        }


@pytest.fixture(scope="module")
def make_repository(tmp_path_factory):
    def make(name: str) -> Repository:
        root = tmp_path_factory.mktemp(name)
        repository = Repository(root)
        # A random Llama cannot learn the task in seconds, so its gates ask for little; the loop is what is tested.
        repository.spec["evaluation"] = {
            **SPEC["evaluation"],
            "generation": {"max_new_tokens": 8},
            "gates": [{"metric": "exact_match", "at_least": 0.0}],
        }
        repository.spec["training"] |= {"num_epochs": 3, "learning_rate": 0.002}
        (root / ".gitignore").write_text("registry/store/\ncache/\n")
        repository.write()
        repository.git("init", "--quiet", "--initial-branch", "main")
        repository.commit("first")
        return repository

    return make
