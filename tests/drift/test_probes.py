"""Servers, judges and the hub are asked over real HTTP."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from runner.drift.probes import Prober
from runner.registry.facts import Artifact, Content, Deployment, Version
from runner.spec.services import Endpoint, Server

NOW = datetime(2026, 11, 23, tzinfo=UTC)
LIVE = Deployment(
    number=4,
    name="bot",
    alias="production",
    version="1.1.0",
    previous="1.0.0",
    commit="c",
    target="server",
    deployed=NOW - timedelta(hours=1),
)


@pytest.fixture
def answering():
    """Serve JSON by path: `answering({"/v1/models": (200, {...})})` returns the URL and the keys that came."""
    servers = []

    def start(pages):
        keys = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                keys.append(self.headers.get("authorization"))
                status, body = pages.get(self.path, (404, {"error": "no such page"}))
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}", keys

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(url, live=LIVE, environ=(), now=NOW):
    prober = Prober(dict(environ), sleep=lambda _: None)
    return list(prober.find_servers([Server(name="production", url=url)], [live], now))


def health(*roots, status="ok", errors=()):
    cards = [{"id": root, "root": root, "alias": "production"} for root in roots]
    return 200, {"status": status, "live": cards, "errors": [{"message": text} for text in errors]}


def test_a_server_that_answers_with_what_was_deployed(answering):
    url, keys = answering({"/healthz": health("bot@1.1.0", "other@3.0.0")})
    assert ask(url, environ={"GITUNE_API_KEY": "secret"}) == []
    assert keys == ["Bearer secret"]


BEHIND = [
    (health("bot@1.0.0"), "the server answers with 1.0.0"),
    (health("other@1.1.0"), "the server answers with nothing"),
    (health("bot@1.0.0", status="degraded", errors=["its proof\nis broken"]), "with 1.0.0: its proof is broken"),
    ((200, {"status": "ok"}), "does not say what it serves"),
    ((200, b"<html>"), "does not say what it serves"),
    ((401, {}), "does not say what it serves"),
]


@pytest.mark.parametrize(("page", "words"), BEHIND)
def test_a_server_that_is_behind(answering, page, words):
    (drift,) = ask(answering({"/healthz": page})[0])
    assert (drift.code, drift.alias) == ("server_behind", "production")
    assert words in drift.what


def test_a_server_gets_time_to_load(answering):
    url, _ = answering({"/healthz": health("bot@1.0.0")})
    assert ask(url, now=LIVE.deployed + timedelta(seconds=30)) == []


def test_a_server_that_is_down(answering):
    (drift,) = ask("http://127.0.0.1:9")
    assert drift.code == "server_down"
    assert "(3 attempts)" in drift.what
    (drift,) = ask(answering({"/healthz": (503, {"status": "not ready", "errors": [{"message": "no space"}]})})[0])
    assert drift.what.endswith("is not serving: status 503: no space")


def test_nothing_deployed_is_nothing_to_serve(answering):
    url, _ = answering({"/healthz": (503, {"status": "not ready"})})
    assert ask(url, live=LIVE.model_copy(update={"version": None})) == []


def test_no_key_goes_where_others_can_read_it(monkeypatch):
    asked = []

    def refuse(*_, headers, **__):
        asked.append(headers)
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(httpx, "stream", refuse)
    ask("http://models.example.com", environ={"GITUNE_API_KEY": "secret"})
    ask("https://models.example.com", environ={"GITUNE_API_KEY": "secret"})
    assert asked[0] == {}
    assert asked[-1] == {"authorization": "Bearer secret"}


def models(*ids):
    return 200, {"object": "list", "data": [{"id": name} for name in ids]}


JUDGES = [
    ({"/v1/models": models("judge-1", "other")}, None),
    ({"/v1/models": models("other"), "/v1/models/judge-1": (200, {"id": "judge-1"})}, None),
    ({}, None),
    ({"/v1/models": models("other")}, "model_gone"),
    ({"/v1/models": (200, {"error": 1})}, "endpoint_down"),
    ({"/v1/models": (401, {"error": "key sk-secret"})}, "endpoint_down"),
    ({"/v1/models": (500, {})}, "endpoint_down"),
]


@pytest.mark.parametrize(("pages", "code"), JUDGES)
def test_judges_and_their_models(answering, pages, code):
    url, keys = answering(pages)
    endpoint = Endpoint(name="fair", url=f"{url}/v1", model="judge-1", api_key_env="JUDGE_KEY")
    prober = Prober({"JUDGE_KEY": "sk-secret"}, sleep=lambda _: None)
    found = list(prober.find_models({"fair": endpoint}, {"fair": ["bot", "legal"]}))
    assert [drift.code for drift in found] == ([code] if code else [])
    assert set(keys) == {"Bearer sk-secret"}
    assert "sk-secret" not in str(found)
    assert not found or "metrics of bot, legal" in found[0].what


HUB = [(200, False), (404, True), (401, True), (503, False)]


@pytest.mark.parametrize(("status", "gone"), HUB)
def test_a_base_model_that_the_hub_does_not_give_any_more(answering, status, gone):
    commit = "a" * 40
    url, _ = answering({f"/api/models/org/base/revision/{commit}": (status, {})})
    content = Content(
        base_model=f"hf://org/base@{commit}",
        base_digest="b" * 64,
        train_key="k",
        adapter=Artifact(digest="c" * 64, size=1, kind="tree"),
        engine="transformers",
        generation={},
    )
    facts = {"keys": {}, "champion": None, "verdict": "PASS", "commit": "c", "released": NOW}
    version = Version(name="bot", version="1.1.0", content=content, **facts)
    found = list(Prober({"HF_ENDPOINT": url}, sleep=lambda _: None).find_base(version, LIVE))
    assert [drift.code for drift in found] == (["lost_base_model"] if gone else [])
