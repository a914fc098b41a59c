"""A registry in memory and engines that echo; `serving` runs the real application on a free loopback port."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
import uvicorn

from runner.registry.facts import Artifact, Content, Deployment, Version
from runner.serving.follow import Follower
from runner.serving.serve import listen
from runner.serving.server import build_app

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Echo:
    """Answers with its adapter and the last message; "wait" and "pause" go on when `go` is set."""

    error = RuntimeError("/secret/path")

    def __init__(self, adapter):
        self.adapter, self.go, self.bodies, self.closed = adapter, threading.Event(), [], False

    def say(self, body):
        self.bodies.append(body)
        last = body["messages"][-1]["content"]
        assert last != "wait" or self.go.wait(10)
        if last == "break":
            raise self.error
        assert not self.closed, "closed under a request"
        return f"{self.adapter} says {last}".split(" ")

    def chat(self, body):
        message = {"role": "assistant", "content": " ".join(self.say(body))}
        usage = {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4}
        return {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage, "timings": {}}

    def chat_stream(self, body):
        for word in self.say(body):
            yield {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
            assert body["messages"][-1]["content"] != "pause" or self.go.wait(10)
            assert not self.closed, "closed under a stream"
        yield {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4}}

    def close(self):
        self.closed = True


class Shelf:
    """What the follower reads of a registry, and a `load` that opens Echo engines."""

    def __init__(self):
        self.versions, self.log, self.opened, self.broken, self.faults = {}, {}, [], {}, {}

    def deploy(
        self, name, version, alias="production", *, adapter=None, engine="llama_cpp", prompt=None, template=None
    ):
        content = Content(
            base_model="file://base",
            base_digest="b" * 64,
            chat_template=template,
            train_key="k",
            adapter=Artifact(digest=adapter or f"{name}-{version}", size=1, kind="tree"),
            engine=engine,
            generation={"max_new_tokens": 48, "temperature": 0.0, "samples": 1},
            system_prompt=prompt,
        )
        facts = {"keys": {}, "champion": None, "verdict": "PASS", "commit": "c", "released": NOW}
        self.versions[name, version] = Version(name=name, version=version, content=content, **facts)
        last = self.log.get((name, alias))
        self.log[name, alias] = Deployment(
            number=last.number + 1 if last else 1,
            name=name,
            alias=alias,
            version=version,
            previous=last.version if last else None,
            commit="c",
            target="server",
            deployed=NOW,
        )

    def undeploy(self, name, alias="production"):
        last = self.log[name, alias]
        gone = {"number": last.number + 1, "version": None, "previous": last.version}
        self.log[name, alias] = last.model_copy(update=gone)

    def deployed(self):
        if "registry" in self.broken:
            raise OSError(self.broken["registry"])
        return list(self.log.values())

    def version(self, name, version):
        return self.versions.get((name, version))

    def broken_link(self, entry):
        return self.faults.get((entry.name, entry.version))

    def load(self, version):
        digest = version.content.adapter.digest
        if digest in self.broken:
            raise RuntimeError(self.broken[digest])
        self.opened.append(Echo(digest))
        return self.opened[-1]


@pytest.fixture
def shelf():
    return Shelf()


@pytest.fixture(scope="session")
def shelf_of_two():
    shelf = Shelf()
    shelf.deploy("triage", "1.0.0")
    shelf.deploy("legal", "2.0.0", "canary")
    return shelf


@pytest.fixture
def eventually():
    def check(condition, seconds=5):
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "did not come true"
            time.sleep(0.01)

    return check


@pytest.fixture(scope="module")
def serving():
    """Return `with serving(shelf, api_key) as url`."""

    @contextmanager
    def run(shelf: Shelf, api_key: str | None = None) -> Iterator[str]:
        with listen("127.0.0.1", 0) as listener, Follower(shelf, shelf.load, interval=0.02) as follower:
            config = uvicorn.Config(build_app(follower, api_key), lifespan="off", log_config=None, access_log=False)
            server = uvicorn.Server(config)
            thread = threading.Thread(target=server.run, args=([listener],))
            thread.start()
            while len(follower.live()) + len(follower.troubles()) < len(shelf.log):
                time.sleep(0.005)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            server.should_exit = True
            thread.join()

    return run
