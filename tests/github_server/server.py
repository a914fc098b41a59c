"""The HTTP server: one thread, one port, one lock."""

from __future__ import annotations

import socket
import threading
import time
from typing import Self

from github_server import actions, checks, contents, http, issues, pulls
from github_server.events import Events

ROUTED = (actions, checks, contents, issues, pulls)
"""Modules that entered their routes into the table when they were imported."""


class GitHubServer(Events):
    """A hub that answers on a loopback port while it is entered."""

    def __enter__(self) -> Self:
        import uvicorn

        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(self._application(), log_level="error", lifespan="off", access_log=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.005)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(10)

    def _application(self):
        from starlette.applications import Starlette
        from starlette.concurrency import run_in_threadpool
        from starlette.requests import Request
        from starlette.responses import Response
        from starlette.routing import Route

        async def reply(request: Request) -> Response:
            raw = await request.body()
            status, headers, body = await run_in_threadpool(self._answer, request, raw)
            return Response(body, status, headers)

        methods = ["GET", "POST", "PATCH", "PUT", "DELETE"]
        return Starlette(routes=[Route("/{path:path}", reply, methods=methods)])

    def _answer(self, request, raw: bytes) -> tuple[int, dict[str, str], bytes]:
        with self.lock:
            return http.answer(
                self,
                request.method,
                request.url.path,
                dict(request.query_params),
                request.headers.get("authorization"),
                raw,
            )
