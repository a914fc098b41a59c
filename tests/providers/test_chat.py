"""The client of an endpoint: what it waits for, what it refuses, and where the key goes."""

from __future__ import annotations

import pytest
from chat_server import ChatServer, said, slow

from runner.errors import GituneError, TransientError
from runner.providers.chat import ATTEMPTS, ChatClient
from runner.spec.services import Endpoint

KEY = "sk-very-secret-0123456789"
HELLO = [{"role": "user", "content": "hello"}]


def ask(reply, *, key=False, timeout=5.0, path="", pauses=None):
    """Ask a server that replies so; return the answer and the server."""
    with ChatServer(reply) as server:
        variable = "TEST_JUDGE_KEY" if key else None
        endpoint = Endpoint(name="judge", url=server.url + path, model="big", api_key_env=variable, timeout=timeout)
        with ChatClient(endpoint, sleep=(pauses if pauses is not None else []).append) as client:
            return client.complete(HELLO, seed=7), server


def test_it_asks_as_deterministically_as_it_can():
    text, server = ask(lambda *_: said("hi"))
    assert text == "hi"
    (asked,) = server.requests
    assert asked == {"model": "big", "messages": HELLO, "temperature": 0, "seed": 7, "max_tokens": 1024}
    assert server.keys == [None]


def test_the_key_goes_into_the_header_alone(monkeypatch):
    monkeypatch.setenv("TEST_JUDGE_KEY", f" {KEY}\n")
    _, server = ask(lambda *_: said("hi"), key=True)
    assert server.keys == [f"Bearer {KEY}"]
    assert KEY not in str(server.requests)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_waited_for(status):
    pauses = []
    replies = [(status, {}, "busy"), (status, {"retry-after": "7"}, "busy"), said("at last")]
    text, _ = ask(lambda _, number: replies[number], pauses=pauses)
    assert text == "at last"
    assert len(pauses) == 2
    assert 1 <= pauses[0] <= 1.5
    assert 7 <= pauses[1] <= 10.5


def test_it_does_not_wait_for_ever():
    pauses = []
    with pytest.raises(TransientError, match=f"status 429, after {ATTEMPTS} attempts"):
        ask(lambda *_: (429, {}, "no"), pauses=pauses)
    assert len(pauses) == ATTEMPTS - 1
    assert pauses == sorted(pauses)
    with pytest.raises(TransientError, match="after 1 attempts"):
        ask(lambda *_: (429, {"retry-after": "86400"}, "no"))


def test_silence_is_no_answer():
    with pytest.raises(TransientError, match=r"nothing within 0\.05 s"):
        ask(lambda *_: slow(0.3), timeout=0.05)


def test_an_endpoint_that_is_down_is_told():
    with ChatServer(lambda *_: said("")) as server:
        pass
    endpoint = Endpoint(name="judge", url=server.url, model="big")
    with ChatClient(endpoint, sleep=lambda _: None) as client, pytest.raises(TransientError, match=r"refused|reset"):
        client.complete(HELLO, seed=0)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ((400, {}, "no such model\nas big"), "status 400.*no such model as big"),
        ((302, {"location": "http://127.0.0.1:9/"}, ""), "status 302"),
        ((200, {}, "<html>"), "does not answer as chat completions do: <html>"),
        ((200, {}, '{"choices": []}'), "does not answer as chat completions do"),
        ((200, {}, '{"choices": [{"message": {"content": 3}}]}'), "does not answer as chat completions do"),
    ],
)
def test_what_would_fail_again_is_told_at_once(reply, message):
    with pytest.raises(GituneError, match=message) as caught:
        ask(lambda *_: reply)
    assert not isinstance(caught.value, TransientError)


def test_a_wrong_path_is_told():
    with pytest.raises(GituneError, match="status 404"):
        ask(lambda *_: said("hi"), path="/chat/completions")


def test_an_answer_without_end_is_cut_off():
    with pytest.raises(TransientError, match="does not end"):
        ask(lambda *_: said("x" * (2 << 20)))


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_no_error_tells_the_key(status, monkeypatch):
    monkeypatch.setenv("TEST_JUDGE_KEY", KEY)
    with pytest.raises(GituneError) as caught:
        ask(lambda *_: (status, {}, f"wrong key {KEY} or sk-very-***"), key=True)
    assert KEY not in str(caught.value)
    if status in (401, 403):
        assert "sk-very" not in str(caught.value)
        assert "$TEST_JUDGE_KEY" in str(caught.value)


@pytest.mark.parametrize(("value", "message"), [(None, "is not set"), ("", "is not set"), ("a\nb", "is no key")])
def test_a_key_that_is_missing_is_told_before_anything_is_asked(value, message, monkeypatch):
    monkeypatch.delenv("TEST_JUDGE_KEY", raising=False)
    if value is not None:
        monkeypatch.setenv("TEST_JUDGE_KEY", value)
    with pytest.raises(GituneError, match=rf"\$TEST_JUDGE_KEY, which {message}"):
        ask(lambda *_: said("hi"), key=True)
