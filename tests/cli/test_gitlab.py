"""The pipeline for GitLab: its scripts run by bash as a runner does; only the comment's server stands for GitLab."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

import pytest
import yaml
from repository import commit, committed_world, git, run
from world import World

ROOT = Path(__file__).parents[2]
PIPELINE = yaml.safe_load((ROOT / "runner/workflows/gitlab-ci.yml").read_text())


class Notes(HTTPServer):
    """Takes notes on a merge request, from whoever has the token."""

    def __init__(self):
        self.posted: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), Note)


class Note(BaseHTTPRequestHandler):
    server: Notes

    def do_POST(self):
        told = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        allowed = self.headers["PRIVATE-TOKEN"] == "secret"
        if allowed:
            self.server.posted.append((self.path, told["body"][0]))
        self.send_response(201 if allowed else 401)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def notes():
    server = Notes()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def world(tmp_path, monkeypatch) -> World:
    """A repository with a remote, whose main has released 1.0.0; 1.1.0 is proposed on a branch."""
    (tmp_path / "clone").mkdir()
    made = committed_world(tmp_path / "clone", monkeypatch)
    assert run(made, "apply", "--yes") == 0
    git(made, "init", "--quiet", "--bare", str(tmp_path / "remote.git"))
    git(made, "remote", "add", "origin", str(tmp_path / "remote.git"))
    git(made, "push", "--quiet", "origin", "main")
    git(made, "checkout", "--quiet", "-b", "change")
    made.spec["version"], made.spec["training"]["learning_rate"] = "1.1.0", 0.002
    commit(made, "another rate")
    return made


def job(world, name, notes=None, **variables):
    """Run a job's script: the lines one after the other, until one fails."""
    tools = world.root.parent / "bin"
    tools.mkdir(exist_ok=True)
    (tools / "gitune").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m runner "$@"\n')
    (tools / "gitune").chmod(0o755)
    environment = {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "HOME": str(world.root.parent),
        "PYTHONPATH": str(ROOT),
        "GITUNE_CACHE": os.environ["GITUNE_CACHE"],
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_PROJECT_ID": "12",
        "CI_API_V4_URL": f"http://127.0.0.1:{notes.server_port}/api/v4" if notes else "",
        "CI_COMMIT_BRANCH": "main",
        **variables,
    }
    script = "\n".join(PIPELINE[name]["script"])
    command = ["bash", "-e", "-o", "pipefail", "-c", script]
    return subprocess.run(command, cwd=world.root, env=environment, capture_output=True, text=True, check=False)


def test_what_cannot_be_trained_fails_the_job_and_is_told_on_the_merge_request(world, notes):
    """The base model of this world has no weights that a training could load."""
    done = job(world, "judge", notes, GITUNE_GITLAB_TOKEN="secret")
    assert done.returncode == 1, done.stderr
    ((path, body),) = notes.posted
    assert path == "/api/v4/projects/12/merge_requests/7/notes"
    assert "Do not merge" in body
    assert body.strip() == (world.root / "comment.md").read_text().strip()
    suite = ET.parse(world.root / "verdicts.xml").getroot().find("testsuite")
    assert suite.get("errors") == "1"


def test_without_a_token_the_comment_is_an_artifact_only(world, notes):
    assert job(world, "judge", notes).returncode == 1
    assert notes.posted == []
    assert (world.root / "comment.md").exists()


def test_what_was_judged_before_is_a_success_and_deploys_after_the_merge(world, notes, monkeypatch):
    assert run(world, "apply", "--yes", "--namespace", "pr/7") == 0
    done = job(world, "judge", notes, GITUNE_GITLAB_TOKEN="secret")
    assert done.returncode == 0, done.stderr
    assert "Ready to merge" in notes.posted[0][1]
    git(world, "checkout", "--quiet", "main")
    message = "Merge branch 'change' into 'main'\n\nSee merge request group/project!7"
    git(world, "merge", "--quiet", "--no-ff", "change", "--message", message)
    git(world, "checkout", "--quiet", "--detach")
    done = job(world, "deploy")
    # The load check of a deployment needs real weights; everything before it is done.
    assert "adopted from pr/7: train of bot" in done.stderr
    assert "verifying and loading bot 1.1.0" in done.stderr
