"""The server over HTTP, asked by OpenAI's own client and by hand."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from runner.errors import RegistryError, TransientError, UsageError
from runner.serving.server import MAX_BODY

HELLO = [{"role": "user", "content": "hello there"}]


def ask_body(content="hello there", **fields):
    return {"model": "triage", "messages": [{"role": "user", "content": content}], **fields}


def client_of(url, key="unused"):
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=10)


@pytest.fixture(scope="module")
def url(serving, shelf_of_two):
    with serving(shelf_of_two) as address:
        yield address


@pytest.fixture(scope="module")
def client(url):
    return client_of(url)


@pytest.fixture
def failing_with(shelf_of_two, monkeypatch):
    def fail(error):
        for engine in shelf_of_two.opened:
            monkeypatch.setattr(engine, "error", error)

    return fail


def text_of(answer):
    return answer.choices[0].message.content


def test_answers_with_the_exact_version(client):
    raw = client.chat.completions.with_raw_response.create(model="triage", messages=HELLO)
    answer = raw.parse()
    assert text_of(answer) == "triage-1.0.0 says hello there"
    assert (answer.model, answer.object, answer.system_fingerprint) == (
        "triage@1.0.0",
        "chat.completion",
        "triage-1.0.0",
    )
    assert answer.id.startswith("chatcmpl-")
    assert answer.usage.total_tokens == 4
    assert raw.headers["x-gitune-version"] == "triage@1.0.0"
    assert set(json.loads(raw.text)) == {"id", "object", "created", "model", "system_fingerprint", "choices", "usage"}


def test_streams(client):
    with client.chat.completions.with_streaming_response.create(model="triage", messages=HELLO, stream=True) as raw:
        assert raw.headers["content-type"].startswith("text/event-stream")
        assert raw.headers["x-gitune-version"] == "triage@1.0.0"
        chunks = list(raw.parse())
    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == "triage-1.0.0sayshellothere"
    assert {(chunk.model, chunk.object) for chunk in chunks} == {("triage@1.0.0", "chat.completion.chunk")}
    assert len({chunk.id for chunk in chunks}) == 1


def test_streams_usage_only_when_asked(client):
    asked = {"model": "triage", "messages": HELLO, "stream": True, "stream_options": {"include_usage": True}}
    last = list(client.chat.completions.create(**asked))[-1]
    assert (last.choices, last.usage.total_tokens) == ([], 4)


def test_a_stream_ends_with_done(url):
    events = httpx.post(f"{url}/v1/chat/completions", json=ask_body(stream=True)).text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("legal", "legal@2.0.0"),
        ("legal/canary", "legal@2.0.0"),
        ("canary", "legal@2.0.0"),
        ("triage@1.0.0", "triage@1.0.0"),
    ],
)
def test_model_names(client, model, version):
    assert client.chat.completions.create(model=model, messages=HELLO).model == version
    found = client.models.retrieve(model)
    assert (found.id, found.root) == (model, version)


def test_lists_models(client):
    assert [(model.id, model.root, model.alias) for model in client.models.list()] == [
        ("legal", "legal@2.0.0", "canary"),
        ("triage", "triage@1.0.0", "production"),
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_model_is_told_what_there_is(client, stream):
    with pytest.raises(openai.NotFoundError, match=r"`legal` \(legal@2.0.0\), `triage` \(triage@1.0.0\)") as caught:
        client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=stream)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-4o")


def test_an_unknown_field_is_named(client):
    with pytest.raises(openai.BadRequestError, match="`tools` is not supported") as caught:
        client.chat.completions.create(model="triage", messages=HELLO, tools=[])
    assert (caught.value.param, caught.value.code) == ("tools", "unknown_parameter")


@pytest.mark.parametrize(
    ("method", "path", "content", "status"),
    [
        ("POST", "/v1/chat/completions", b"{", 400),
        ("POST", "/v1/chat/completions", b" " * (MAX_BODY + 1), 413),
        ("GET", "/v1/chat/completions", b"", 405),
        ("POST", "/v1/embeddings", b"{}", 404),
    ],
)
def test_every_error_has_openais_shape(url, method, path, content, status):
    answer = httpx.request(method, url + path, content=content)
    assert answer.status_code == status
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_a_failing_engine_tells_nothing_of_the_inside(client, caplog):
    with pytest.raises(openai.InternalServerError, match="engine failed") as caught:
        client.chat.completions.create(**ask_body("break"))
    assert "secret" not in str(caught.value.body)
    assert "/secret/path" in caplog.text
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(**ask_body("break", stream=True))
    assert text_of(client.chat.completions.create(**ask_body())).endswith("there")


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UsageError("the prompt is longer than 2048 tokens"), 400, "the prompt is longer than 2048 tokens"),
        (TransientError("all slots are busy"), 503, "all slots are busy"),
        (RegistryError("blob /secret/path is missing"), 500, "the model's engine failed; the server's log says why"),
    ],
)
def test_an_engine_says_what_the_caller_can_mend(url, failing_with, error, status, message):
    failing_with(error)
    for stream in (False, True):
        answer = httpx.post(f"{url}/v1/chat/completions", json=ask_body("break", stream=stream))
        assert (answer.status_code, answer.json()["error"]["message"]) == (status, message)


@pytest.mark.parametrize(("sent", "kept"), [("run-7:a/b", True), ("x" * 200, False), ("a b", False), (None, False)])
def test_every_response_has_a_request_id(url, sent, kept):
    for path in ("/healthz", "/nowhere"):
        got = httpx.get(url + path, headers={"X-Request-ID": sent} if sent else {}).headers["x-request-id"]
        assert got == sent if kept else got.startswith("req-")


def test_a_page_of_another_host_is_refused(url):
    answer = httpx.post(f"{url}/v1/chat/completions", json=ask_body(), headers={"Host": "attacker.example"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "host_not_allowed")
    assert httpx.get(f"{url}/v1/models", headers={"Host": "localhost:9000"}).status_code == 200


def test_health_tells_what_is_live(url):
    answer = httpx.get(f"{url}/healthz")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert [one["root"] for one in answer.json()["live"]] == ["legal@2.0.0", "triage@1.0.0"]


def test_nothing_deployed_is_not_ready(serving, shelf):
    with serving(shelf) as url:
        assert httpx.get(f"{url}/healthz").status_code == 503
        with pytest.raises(openai.InternalServerError, match="not loaded") as caught:
            client_of(url).chat.completions.create(model="triage", messages=HELLO)
        assert caught.value.status_code == 503
        assert list(client_of(url).models.list()) == []


def test_the_key_is_asked_for(serving, shelf):
    shelf.deploy("triage", "1.0.0")
    with serving(shelf, "s3cret-ü") as url:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic s3cret"}):
            refused = httpx.get(f"{url}/v1/models", headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
        with pytest.raises(openai.AuthenticationError):
            client_of(url, "wrong").chat.completions.create(model="triage", messages=HELLO)
        allowed = {"Authorization": "Bearer s3cret-ü".encode(), "Host": "models.example"}
        assert httpx.get(f"{url}/v1/models", headers=allowed).status_code == 200
        assert httpx.get(f"{url}/healthz").json() == {"status": "ok"}
        assert len(httpx.get(f"{url}/healthz", headers=allowed).json()["live"]) == 1


@pytest.mark.parametrize("content", ["wait", "pause"])
def test_a_deploy_drops_no_request_in_flight(serving, shelf, eventually, content):
    shelf.deploy("triage", "1.0.0")
    with serving(shelf) as url, ThreadPoolExecutor() as pool:
        client = client_of(url)

        def slow():
            if content == "wait":
                return text_of(client.chat.completions.create(**ask_body("wait")))
            chunks = client.chat.completions.create(**ask_body("pause", stream=True))
            return " ".join(chunk.choices[0].delta.content for chunk in chunks)

        answer = pool.submit(slow)
        old = shelf.opened[0]
        eventually(lambda: old.bodies)
        shelf.deploy("triage", "1.1.0")
        eventually(lambda: client.models.retrieve("triage").root == "triage@1.1.0", seconds=2)
        assert text_of(client.chat.completions.create(**ask_body("hi"))) == "triage-1.1.0 says hi"
        assert not old.closed
        old.go.set()
        assert answer.result(10) == f"triage-1.0.0 says {content}"
        eventually(lambda: old.closed)


def test_a_broken_deploy_leaves_the_old_version_and_shows(serving, shelf, eventually):
    shelf.deploy("triage", "1.0.0")
    with serving(shelf) as url:
        shelf.broken["triage-1.1.0"] = "adapter.gguf is damaged"
        shelf.deploy("triage", "1.1.0")
        eventually(lambda: httpx.get(f"{url}/healthz").json()["status"] == "degraded")
        health = httpx.get(f"{url}/healthz")
        assert health.status_code == 200
        (error,) = health.json()["errors"]
        assert (error["model"], error["message"]) == ("triage@1.1.0", "adapter.gguf is damaged")
        assert client_of(url).chat.completions.create(model="triage", messages=HELLO).model == "triage@1.0.0"


def test_a_client_that_leaves_ends_its_stream(serving, shelf, eventually):
    shelf.deploy("triage", "1.0.0")
    with serving(shelf) as url:
        client = client_of(url)
        engine = shelf.opened[0]
        stream = client.chat.completions.create(**ask_body("pause", stream=True))
        next(iter(stream))
        shelf.deploy("triage", "1.1.0")
        eventually(lambda: len(shelf.opened) == 2)
        stream.close()
        client.close()
        engine.go.set()
        eventually(lambda: engine.closed)


def test_a_stream_that_breaks_off_is_an_error_to_the_client(serving, shelf):
    shelf.deploy("triage", "1.0.0")
    with serving(shelf) as url:
        stream = iter(client_of(url).chat.completions.create(**ask_body("pause", stream=True)))
        next(stream)
        shelf.opened[0].closed = True
        shelf.opened[0].go.set()
        with pytest.raises(openai.APIError, match="engine failed"):
            list(stream)


def test_many_at_once(client):
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: text_of(client.chat.completions.create(**ask_body(f"n {n}"))), range(64)))
    assert answers == [f"triage-1.0.0 says n {n}" for n in range(64)]
    assert threading.active_count() < 80
