"""hf:// against a hub on loopback that refuses: gated, private or unknown models, and models with pickles alone."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
FILES = {"config.json": b"{}", "model.safetensors": b"x", "pytorch_model.bin": b"x"}


class Hub(BaseHTTPRequestHandler):
    """Answers as huggingface.co does: anybody may list a gated model, and only some may download it."""

    def do_GET(self):
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._api(parts[3], parts[4:5] == ["tree"])
        elif "resolve" in parts:
            self._file(parts[1], parts[-1])
        else:
            self._send(404, b"{}", {})

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def _api(self, model, tree):
        if model == "private":
            return self._refuse(401, "RepoNotFound", "Repository not found")
        if model == "closed":
            return self._refuse(403, None, "Forbidden")
        names = ["config.json", "pytorch_model.bin"] if model == "pickled" else FILES
        files = [{"type": "file", "path": name, "size": len(FILES[name]), "oid": "0" * 40} for name in names]
        info = {"id": f"org/{model}", "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
        return self._send(200, json.dumps(files if tree else info).encode(), {})

    def _file(self, model, name):
        if model == "gated":
            return self._refuse(401, "GatedRepo", f"Access to model org/{model} is restricted")
        return self._send(200, FILES[name], {"ETag": f'"{name}"', "X-Repo-Commit": COMMIT})

    def _refuse(self, status, code, message):
        headers = {"X-Error-Message": message} | ({"X-Error-Code": code} if code else {})
        self._send(status, b"{}", headers)

    def _send(self, status, body, headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def endpoint():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture
def lock(tmp_path, endpoint):
    """Run `gitune data lock` for a model of the hub; return the finished process."""

    def call(model):
        folder = tmp_path / "specs" / "bot"
        folder.mkdir(parents=True)
        spec = {
            "apiVersion": "gitune/v1",
            "name": "bot",
            "version": "1.0.0",
            "base_model": f"hf://org/{model}@{COMMIT}",
            "dataset": {"train": ["rows.jsonl"]},
            "evaluation": {
                "task": "classification",
                "metrics": ["exact_match"],
                "primary": "exact_match",
                "gates": [{"metric": "exact_match", "at_least": 0.5}],
            },
        }
        (folder / "spec.yaml").write_text(json.dumps(spec))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        environment |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}
        command = [sys.executable, "-m", "runner", "-C", str(tmp_path), "data", "lock"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)

    return call


@pytest.mark.parametrize("model", ["gated", "private", "closed"])
def test_a_model_that_the_hub_keeps_back_says_what_to_do(lock, model):
    done = lock(model)
    assert done.returncode == 1
    assert f"the hub refuses hf://org/{model}: it is gated or private, or there is no such model" in done.stderr
    assert "HF_TOKEN" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_of_pickles_is_refused(lock):
    done = lock("pickled")
    assert done.returncode == 1
    assert "no *.safetensors weights" in done.stderr
    assert "a pickle runs code" in done.stderr
