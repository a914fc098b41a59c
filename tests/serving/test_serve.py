"""`serve` as a process: where it listens, what it says, how it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from runner.errors import GituneError, UsageError
from runner.serving.admission import required_key
from runner.serving.serve import listen, serve

PROGRAM = """
import sys, time
sys.path.insert(0, sys.argv[1])
from conftest import Echo, Shelf
from runner.serving.serve import serve

class Slow(Echo):
    def chat(self, body):
        print("asked", flush=True)
        time.sleep(0.5)
        return super().chat(body)

    def close(self):
        print("closed", flush=True)

shelf = Shelf()
shelf.deploy("triage", "1.0.0")
serve(shelf, lambda version: Slow("old"), "127.0.0.1", 0, lambda line: print(line, flush=True))
print("ended", flush=True)
"""


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_says_where_it_serves_and_finishes_what_is_in_flight(told):
    command = [sys.executable, "-c", PROGRAM, str(Path(__file__).parent)]
    environ = {key: value for key, value in os.environ.items() if key != "GITUNE_API_KEY"}
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environ) as process,
        ThreadPoolExecutor() as pool,
    ):
        words = process.stdout.readline().split()
        assert words[:4] == ["serving", "triage@1.0.0", "(production)", "on"]
        assert words[4].startswith("http://127.0.0.1:")
        assert not words[4].endswith(":0/v1")
        body = {"model": "triage", "messages": [{"role": "user", "content": "hi"}]}
        answer = pool.submit(httpx.post, f"{words[4]}/chat/completions", json=body)
        assert process.stdout.readline() == "asked\n"
        process.send_signal(told)
        assert answer.result(10).json()["choices"][0]["message"]["content"] == "old says hi"
        assert process.stdout.read().split() == ["closed", "ended"]
    assert process.returncode == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_loopback_no_key_is_needed_but_one_that_is_set_counts(address):
    assert required_key(address, {}) is None
    assert required_key(address, {"GITUNE_API_KEY": "k"}) == "k"


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_elsewhere_a_key_is_needed(shelf, host):
    with pytest.raises(UsageError, match="GITUNE_API_KEY"):
        serve(shelf, shelf.load, host, 0, print, environ={"GITUNE_API_KEY": ""})


def test_a_port_in_use_is_told():
    with listen("127.0.0.1", 0) as taken, pytest.raises(GituneError, match="another program has this port") as caught:
        listen("127.0.0.1", taken.getsockname()[1])
    assert caught.value.message.endswith(": Address already in use")


def test_an_unknown_host_is_told():
    with pytest.raises(UsageError, match="no such host"):
        listen("no-such-host.invalid", 0)
