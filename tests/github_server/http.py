"""What every answer of this GitHub has in common: tokens, scopes, pages, limits, errors, faults."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from github_server.state import Fault, Request, Token

if TYPE_CHECKING:
    from github_server.server import GitHubServer

BODY_LIMIT = 65_536
PER_PAGE, MOST_PER_PAGE = 30, 100


class Refused(Exception):  # noqa: N818 - an answer, not a failure of ours
    """An answer other than 2xx."""

    def __init__(self, status: int, message: str, *errors: Any):
        super().__init__(message)
        self.status, self.message, self.errors = status, message, errors

    def body(self) -> dict[str, Any]:
        """GitHub's JSON of an error."""
        more = {"errors": list(self.errors)} if self.errors else {}
        return {
            "message": self.message,
            **more,
            "documentation_url": "https://docs.github.com/rest",
            "status": str(self.status),
        }


def not_found() -> Refused:
    """What is not there, or not to be seen."""
    return Refused(404, "Not Found")


def invalid(resource: str, field: str, code: str = "invalid", **more: str) -> Refused:
    """A field that cannot be taken."""
    return Refused(422, "Validation Failed", {"resource": resource, "field": field, "code": code, **more})


def too_long(resource: str, text: str, limit: int = BODY_LIMIT) -> None:
    """Refuse a body above the limit, in GitHub's words."""
    if len(text) > limit:
        message = f"Body is too long (maximum is {limit} characters)"
        raise invalid(resource, "data", "unprocessable", message=message)


@dataclass(frozen=True)
class Page:
    """A list to be answered in pages; `key` names it where GitHub puts it into an object with `total_count`."""

    items: list[Any]
    view: Callable[[Any], Any]
    key: str | None = None


@dataclass(frozen=True)
class Call:
    """One request, as a route sees it."""

    hub: GitHubServer
    token: Token | None
    query: dict[str, str]
    body: Any

    @property
    def login(self) -> str:
        """Who asks."""
        return self.token.login if self.token else ""

    def field(self, name: str, resource: str, kind: type = str) -> Any:
        """A field that must be there."""
        value = self.body.get(name) if isinstance(self.body, dict) else None
        if value is None:
            raise invalid(resource, name, "missing_field")
        if not isinstance(value, kind):
            raise Refused(422, f"Invalid request.\n\nFor '{name}', {json.dumps(value)} is not a {kind.__name__}.")
        return value


@dataclass(frozen=True)
class Route:
    """One entry of the table: any of `needs` (`checks:write`) opens it."""

    method: str
    pattern: re.Pattern[str]
    needs: tuple[str, ...]
    do: Callable[..., Any]
    status: int


ROUTES: list[Route] = []


def route(method: str, template: str, *needs: str, status: int = 200) -> Callable[[Any], Any]:
    """Enter a function into the table; `{name}` is one part of the path, `{name...}` the rest of it."""

    def enter(do: Any) -> Any:
        escaped = re.sub(r"\{(\w+)(\.\.\.)?\}", lambda m: f"(?P<{m[1]}>{'.+' if m[2] else '[^/]+'})", template)
        ROUTES.append(Route(method, re.compile(escaped), needs, do, status))
        return do

    return enter


def _allow(hub: GitHubServer, token: Token | None, route: Route) -> None:
    reading = all(need.endswith(":read") for need in route.needs)
    if reading and not hub.private and not any(need.startswith("members") for need in route.needs):
        return
    if token is None:
        raise not_found() if hub.private else Refused(401, "Requires authentication")
    if not route.needs or any(token.may(*need.split(":")) for need in route.needs):
        return
    kind = "integration" if token.app else "personal access token"
    raise Refused(403, f"Resource not accessible by {kind}")


def _paged(call: Call, page: Page, path: str) -> tuple[Any, dict[str, str]]:
    try:
        size = min(max(int(call.query.get("per_page", PER_PAGE)), 1), MOST_PER_PAGE)
        number = max(int(call.query.get("page", 1)), 1)
    except ValueError as error:
        raise Refused(422, "Invalid request.") from error
    last = max(-(-len(page.items) // size), 1)
    shown = [page.view(item) for item in page.items[(number - 1) * size : number * size]]
    links = {
        name: f"{call.hub.url}{path}?{urlencode({**call.query, 'page': str(to)})}"
        for name, to, there in (
            ("prev", number - 1, number > 1),
            ("next", number + 1, number < last),
            ("last", last, number < last),
            ("first", 1, number > 1),
        )
        if there
    }
    headers = {"Link": ", ".join(f'<{url}>; rel="{name}"' for name, url in links.items())} if links else {}
    return ({"total_count": len(page.items), page.key: shown} if page.key else shown), headers


def _find(method: str, path: str) -> Iterator[tuple[Route, dict[str, str]]]:
    # Those that take the rest of a path come last.
    for candidate in sorted(ROUTES, key=lambda one: ".+" in one.pattern.pattern):
        found = candidate.pattern.fullmatch(path)
        if found and candidate.method == method:
            yield candidate, found.groupdict()


def _token(hub: GitHubServer, authorization: str | None) -> Token | None:
    if authorization is None:
        return None
    token = hub.tokens.get(authorization.removeprefix("Bearer ").removeprefix("token "))
    if token is None:
        raise Refused(401, "Bad credentials")
    return token


def _parsed(method: str, raw: bytes) -> Any:
    if not raw or method == "GET":
        return {}
    try:
        return json.loads(raw)
    except ValueError as error:
        raise Refused(400, "Problems parsing JSON") from error


def _fault(hub: GitHubServer, method: str, path: str) -> Fault | None:
    for fault in hub.faults:
        if fault.method in (None, method) and re.search(fault.path, path):
            hub.faults.remove(fault)
            return fault
    return None


def answer(
    hub: GitHubServer, method: str, path: str, query: dict[str, str], authorization: str | None, raw: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Answer one request and remember it."""
    token, body, headers = None, None, {}
    try:
        body = _parsed(method, raw)
        token = _token(hub, authorization)
        fault = _fault(hub, method, path)
        if not fault or fault.after:
            status, result, headers = _carry_out(Call(hub, token, query, body), method, path)
        if fault:
            headers, status, result = dict(fault.headers), fault.status, Refused(fault.status, fault.message).body()
    except Refused as refused:
        status, result = refused.status, refused.body()
    hub.requests.append(Request(method, path, query, body, token.login if token else None, status))
    usual = {"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "4999", "X-RateLimit-Reset": "4102444800"}
    content = b"" if status == HTTPStatus.NO_CONTENT else json.dumps(result).encode()
    return status, {**usual, "Content-Type": "application/json; charset=utf-8", **headers}, content


def _carry_out(call: Call, method: str, path: str) -> tuple[int, Any, dict[str, str]]:
    prefix = f"/repos/{call.hub.full_name}"
    inner = "/repo" + path[len(prefix) :] if path.lower().startswith(prefix.lower()) else path
    for found, parts in _find(method, inner.rstrip("/")):
        _allow(call.hub, call.token, found)
        result = found.do(call, **parts)
        if isinstance(result, Page):
            result, headers = _paged(call, result, path)
            return found.status, result, headers
        if isinstance(result, tuple):
            return result[0], result[1], {}
        return found.status, result, {}
    raise not_found()
