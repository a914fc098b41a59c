"""Who may ask: the API key, its absence on loopback, and the id that every response carries.

A thin layer around the whole application, so that errors are answered, numbered and refused like everything else.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import re
import uuid
from collections.abc import Mapping

from starlette.datastructures import URL, Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runner.errors import UsageError
from runner.serving.openai_schema import error_body

KEY_VARIABLE = "GITUNE_API_KEY"
OPEN_PATHS = frozenset({"/healthz"})  # probes carry no key; without one they learn only whether it is up
REQUEST_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)


log = logging.getLogger(__name__)


def is_loopback(host: str) -> bool:
    """Return whether a host name or address can only be this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def required_key(address: str, environ: Mapping[str, str]) -> str | None:
    """Return the key that requests must bring; None on loopback when none is set.

    Raises:
        UsageError: when the address is reachable from elsewhere and no key is set.
    """
    key = environ.get(KEY_VARIABLE) or None
    if key is None and not is_loopback(address):
        hint = f"set {KEY_VARIABLE} to a secret that clients send as their API key, or bind to 127.0.0.1"
        raise UsageError(f"a server on {address} can be reached by others and needs an API key", hint=hint)
    return key


class Admission:
    """ASGI layer: gives each request an id, and lets in those that may ask."""

    def __init__(self, app: ASGIApp, api_key: str | None) -> None:
        self._app = app
        self._expected = None if api_key is None else api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else f"req-{uuid.uuid4().hex}"

        async def numbered(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        scope["gitune.admitted"] = self._admits(scope, headers)
        if scope["gitune.admitted"] or scope["path"] in OPEN_PATHS:
            await self._answer(request_id, scope, receive, numbered)
        else:
            await self._refusal()(scope, receive, numbered)

    async def _answer(self, request_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:  # only uvicorn cancels from outside, and would print a traceback
            log.warning("request %s was cut off: the server stops and its time of grace is over", request_id)

    def _admits(self, scope: Scope, headers: Headers) -> bool:
        if self._expected is None:
            return _asked_locally(scope)
        scheme, _, key = headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(key.strip().encode("latin-1"), self._expected)

    def _refusal(self) -> JSONResponse:
        if self._expected is None:
            message = f"without {KEY_VARIABLE} only requests to localhost are answered"
            return JSONResponse(error_body(403, message, code="host_not_allowed"), 403)
        message = "the API key is missing or wrong; send `Authorization: Bearer KEY`"
        body = error_body(401, message, code="invalid_api_key")
        return JSONResponse(body, 401, {"WWW-Authenticate": "Bearer"})


def _asked_locally(scope: Scope) -> bool:
    """Return whether the Host header means this machine.

    Where no key protects the server, a web page whose name is made to resolve to 127.0.0.1 (DNS rebinding) would
    otherwise speak to it through the user's browser; the page cannot change this header.
    """
    try:
        return is_loopback(URL(scope=scope).hostname or "")
    except ValueError:
        return False
