"""A proxy on loopback between us and a real S3 server, which breaks requests as networks and servers do.

    with FaultyProxy(server.port) as proxy:
        proxy.fault("PUT", "503", times=1)

Every fault hits before or after the real server: `lost` and `lost reset` let it do the work and lose the answer.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REASONS = {
    "404": "NoSuchUpload",
    "409": "ConditionalRequestConflict",
    "412": "PreconditionFailed",
    "500": "InternalError",
    "503": "SlowDown",
}
FOR_EVER = 10**9


@dataclass
class Fault:
    """What happens to the next `times` requests of a method whose URL contains `part`."""

    method: str
    kind: str
    times: int
    part: str = ""
    seconds: float = 0.0


class FaultyProxy:
    """Forwards requests, but for those that a fault waits for."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.faults: list[Fault] = []
        self.seen: list[str] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.proxy = self
        self.port = self._server.server_address[1]

    def fault(self, method: str, kind: str, times: int = 1, part: str = "", seconds: float = 0.0) -> None:
        self.faults.append(Fault(method, kind, times, part, seconds))

    def next_fault(self, method: str, url: str) -> Fault | None:
        with self._lock:
            self.seen.append(method)
            for fault in self.faults:
                if fault.method == method and fault.part in url and fault.times > 0:
                    fault.times -= 1
                    return fault
        return None

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle(self):
        with contextlib.suppress(OSError):  # the client has gone
            super().handle()

    def pass_on(self):
        fault = self.server.proxy.next_fault(self.command, self.path)
        kind = fault.kind if fault else ""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if kind == "truncated upload":
            self._ask(body, len(body) // 2)
        if kind == "delay":
            time.sleep(fault.seconds)
        if kind in ("reset", "delay", "truncated upload"):
            self._reset()
        elif kind in REASONS:
            self._refuse(kind)
        else:
            self._answer(kind, *self._ask(body))

    def _answer(self, kind: str, status: int, headers: list[tuple[str, str]], answer: bytes):
        if kind == "lost":
            return self._refuse("500")
        if kind == "lost reset":
            return self._reset()
        if kind == "flipped bit" and answer:
            answer = bytes([answer[0] ^ 1]) + answer[1:]
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "date", "server"):
                self.send_header(name, value)
        length = {name.lower(): value for name, value in headers}.get("content-length")
        self.send_header("Content-Length", length if self.command == "HEAD" and length else str(len(answer)))
        self.end_headers()
        self.wfile.write(answer[: len(answer) // 2] if kind == "truncated download" else answer)
        return self._reset() if kind == "truncated download" else None

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = pass_on  # noqa: N815 - names of http.server

    def _ask(self, body: bytes, only: int | None = None):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.proxy.upstream, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() != "connection":
                connection.putheader(name, value)
        connection.endheaders()
        if only is not None:
            connection.send(body[:only])
            connection.close()
            return None
        connection.send(body)
        answer = connection.getresponse()
        with contextlib.closing(connection):
            return answer.status, answer.getheaders(), answer.read()

    def _refuse(self, status: str):
        text = f"<Error><Code>{REASONS[status]}</Code><Message>injected</Message></Error>".encode()
        self.send_response(int(status))
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def _reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
