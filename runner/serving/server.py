"""The HTTP application: `build_app(follower, key)` answers as OpenAI's API does.

POST /v1/chat/completions (plain and streamed), GET /v1/models, GET /v1/models/{id}, GET /healthz. The event loop only
moves bytes; engines answer in worker threads.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import AsyncIterator, Callable, Generator
from functools import partial
from typing import Any, TypeVar

from anyio import CancelScope, to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.errors import GituneError, TransientError, UsageError
from runner.serving.admission import Admission
from runner.serving.answer import chunks, complete
from runner.serving.follow import Follower, Live, Trouble
from runner.serving.names import exact_name, model_id, resolve
from runner.serving.openai_schema import Refusal, error_body, read_chat_request

MAX_BODY = 1 << 20  # bytes
VERSION_HEADER = "x-gitune-version"
ENGINE_FAILED = "the model's engine failed; the server's log says why"

T = TypeVar("T")

log = logging.getLogger(__name__)


def build_app(follower: Follower, api_key: str | None = None) -> ASGIApp:
    """Return the application over what `follower` has loaded; without a key it answers localhost alone."""
    app = Starlette(
        routes=[
            Route("/v1/chat/completions", _chat, methods=["POST"]),
            Route("/v1/models", _models),
            Route("/v1/models/{model:path}", _model),
            Route("/healthz", _health),
        ],
        exception_handlers=dict.fromkeys((HTTPException, GituneError, Exception), _on_error),
    )
    app.state.follower = follower
    return Admission(app, api_key)


async def _chat(request: Request) -> Response:
    follower: Follower = request.app.state.follower
    chat = read_chat_request(await _read_body(request))
    if not chat.stream:
        answer = await _in_thread(partial(complete, follower, chat))
        return JSONResponse(answer, headers={VERSION_HEADER: answer["model"]})
    pieces = chunks(follower, chat)
    # The first chunk comes before the status line, so that a refusal is an HTTP error and not a broken stream.
    first = await _in_thread(partial(next, pieces, None))
    if first is None:
        raise GituneError("the engine's stream ended before its first chunk")
    return EventStream(first, pieces)


async def _models(request: Request) -> Response:
    live = request.app.state.follower.live()
    deployed = [one.deployment for one in live]
    return JSONResponse({"object": "list", "data": [_card(one, model_id(one.deployment, deployed)) for one in live]})


async def _model(request: Request) -> Response:
    name = request.path_params["model"]
    live = request.app.state.follower.live()
    found = resolve(name, [one.deployment for one in live])
    for one in live:
        if one.deployment == found:
            return JSONResponse(_card(one, name), headers={VERSION_HEADER: exact_name(one.deployment)})
    raise Refusal(404, f"the model `{name}` does not exist", param="model", code="model_not_found")


async def _health(request: Request) -> Response:
    live, troubles = request.app.state.follower.live(), request.app.state.follower.troubles()
    state = ("degraded" if troubles else "ok") if live else "not ready"
    body: dict[str, Any] = {"status": state}
    if request.scope["gitune.admitted"]:
        deployed = [one.deployment for one in live]
        body["live"] = [_card(one, model_id(one.deployment, deployed)) for one in live]
        body["errors"] = [_trouble(trouble) for trouble in troubles]
    return JSONResponse(body, 200 if live else 503)


class EventStream(StreamingResponse):
    """Server-sent events of one answer. When it ends, however it ends, the version's lease ends."""

    def __init__(self, first: dict[str, Any], pieces: Generator[dict[str, Any], None, None]) -> None:
        self._pieces = pieces
        self._turn = threading.Lock()  # a stopping server may close the stream while a thread waits for its next chunk
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no", VERSION_HEADER: first["model"]}
        super().__init__(self._events(first), headers=headers, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(self._close)

    async def _events(self, first: dict[str, Any]) -> AsyncIterator[str]:
        piece: dict[str, Any] | None = first
        try:
            while piece is not None:
                yield _event(piece)
                piece = await to_thread.run_sync(self._next)
        except Exception as error:
            # The status line is long gone; OpenAI's clients raise on an event that carries `error`.
            log.exception("a stream broke off")
            yield _event(_error_of(error)[1])
            return
        yield "data: [DONE]\n\n"

    def _next(self) -> dict[str, Any] | None:
        with self._turn:
            return next(self._pieces, None)

    def _close(self) -> None:
        with self._turn:
            self._pieces.close()


async def _in_thread(ask: Callable[[], T]) -> T:
    """Wait for an engine. Its crash is answered here: raised further, it would cost the client its connection."""
    try:
        return await to_thread.run_sync(ask)
    except (HTTPException, GituneError):
        raise
    except Exception as error:
        log.exception("an engine failed")
        raise Refusal(500, ENGINE_FAILED, code="engine_failed") from error


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BODY:
            raise Refusal(413, f"the body is larger than {MAX_BODY} bytes", code="request_too_large")
    return bytes(body)


def _event(data: dict[str, Any]) -> str:
    return f"data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"


def _card(one: Live, name: str) -> dict[str, Any]:
    """Return OpenAI's model object. `root` is vLLM's word for what a name stands for."""
    return {
        "id": name,
        "object": "model",
        "created": int(one.version.released.timestamp()),
        "owned_by": "gitune",
        "root": exact_name(one.deployment),
        "alias": one.deployment.alias,
    }


def _trouble(trouble: Trouble) -> dict[str, Any]:
    entry = trouble.deployment
    model = {} if entry is None else {"model": exact_name(entry), "alias": entry.alias, "attempts": trouble.attempts}
    return {**model, "message": trouble.message}


async def _on_error(_: Request, error: Exception) -> Response:
    status, body = _error_of(error)
    if isinstance(error, GituneError) and status >= 500:  # noqa: PLR2004 - uvicorn logs what is no GituneError
        log.error("answered %d: %s", status, error)
    return JSONResponse(body, status, error.headers if isinstance(error, HTTPException) else None)


def _error_of(error: Exception) -> tuple[int, dict[str, Any]]:
    """Return what a caller may know: of a failing engine what can be mended from outside, never where files lie."""
    match error:
        case Refusal():
            return error.status_code, error_body(error.status_code, error.detail, error.param, error.code)
        case HTTPException():
            return error.status_code, error_body(error.status_code, error.detail)
        case UsageError():
            return 400, error_body(400, error.message)
        case TransientError():
            return 503, error_body(503, error.message)
        case _:
            return 500, error_body(500, ENGINE_FAILED, code="engine_failed")
