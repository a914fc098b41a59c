"""A real HTTP server on loopback that speaks OpenAI's chat completions, as a test says.

with ChatServer(lambda asked, number: said('{"score": 1}')) as server:
    ... Endpoint(name="x", url=server.url, model="m")
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def said(text, status=200):
    """An answer of the API."""
    return status, {}, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]})


class ChatServer:
    """`reply(body, number)` returns status, headers and body for the request of this number, counted from 0."""

    def __init__(self, reply):
        self.reply = reply
        self.requests: list[dict] = []
        self.keys: list[str | None] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def __enter__(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with outer._lock:
                    number = len(outer.requests)
                    outer.requests.append(asked)
                    outer.keys.append(self.headers.get("authorization"))
                    outer.at_once += 1
                    outer.most_at_once = max(outer.most_at_once, outer.at_once)
                status, headers, body = outer.reply(asked, number)
                with outer._lock:
                    outer.at_once -= 1
                data = body.encode()
                try:
                    self.send_response(status if self.path == "/v1/chat/completions" else 404)
                    for name, value in {**headers, "content-length": str(len(data))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(data)
                except OSError:  # who asked has gone
                    pass

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def slow(seconds, text='{"score": 1}'):
    """Answer, but late."""
    time.sleep(seconds)
    return said(text)
