"""Ask servers and providers over HTTP: do they answer, with what was deployed, and is there still the model?

Keys go to the URLs of registry/config.yaml alone, never over a connection that others can read, and into no finding.
"""

from __future__ import annotations

import ipaddress
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

from runner.drift.finding import Drift
from runner.errors import GituneError
from runner.models.locate import parse_uri
from runner.registry.facts import Deployment, Version
from runner.spec.services import Endpoint, Server

API_KEY = "GITUNE_API_KEY"

SETTLING = timedelta(minutes=2)
"""How long a server may take to load what was deployed; it looks at the log twice a second."""

_ATTEMPTS = 3
_PAUSE = 2.0
_TIMEOUT = 10.0
_LARGEST = 1 << 20
_OK, _SERVER_ERRORS = 200, 500
_REFUSED, _GONE = (401, 403), (404, 410)


@dataclass(frozen=True, slots=True)
class Prober:
    """Asks by GET, and again when nobody answered: one lost packet is no drift."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    """Where keys are looked up."""
    sleep: Callable[[float], None] = time.sleep
    """How to wait."""

    def find_servers(self, servers: Sequence[Server], live: Sequence[Deployment], now: datetime) -> Iterator[Drift]:
        """Yield servers that do not answer, and deployments that they do not answer with."""
        for server in servers:
            entries = [entry for entry in live if entry.alias == server.name and entry.version is not None]
            status, said = self._get(f"{server.url}/healthz", API_KEY)
            if status == 0 or (status >= _SERVER_ERRORS and (entries or not isinstance(said, dict))):
                why = said if status == 0 else f"status {status}{_troubles(said)}"
                yield _down(server, f"{server.url} is not serving: {why}")
            elif isinstance(said, dict) and isinstance(said.get("live"), list):
                for entry in entries:
                    if now - entry.deployed > SETTLING and (what := _behind(entry, said)):
                        remedy = f"see the log of {server.url}: a server keeps the old version until the new one loads"
                        yield Drift("server_behind", entry.name, server.name, what, remedy)
            elif entries:
                what = f"{server.url} answers (status {status}), but does not say what it serves"
                yield Drift(
                    "server_behind", server.name, server.name, what, f"set ${API_KEY} to its key, and use https://"
                )

    def find_models(self, endpoints: Mapping[str, Endpoint], specs: Mapping[str, Sequence[str]]) -> Iterator[Drift]:
        """Yield endpoints that do not answer, or do not have their model any more.

        Args:
            endpoints: by name.
            specs: names of the specs whose metrics ask each.
        """
        for name, users in sorted(specs.items()):
            endpoint, used = endpoints[name], f"which metrics of {', '.join(users)} ask"
            status, said = self._get(f"{endpoint.url}/models", endpoint.api_key_env)
            if status in _GONE:
                continue  # it has no such list
            if status != _OK or (known := _ids(said)) is None:
                why = said if status == 0 else f"status {status}"
                what = f"endpoint {name}, {used}, gives no list of its models: {why}"
                yield Drift("endpoint_down", name, None, what, f"see url and key of `{name}` in registry/config.yaml")
            elif endpoint.model not in known and self._lacks(endpoint):
                what = f"endpoint {name}, {used}, has no model {endpoint.model} any more"
                remedy = f"name another model for `{name}` in registry/config.yaml; scores are made anew with it"
                yield Drift("model_gone", name, None, what, remedy)

    def find_base(self, version: Version, live: Deployment) -> Iterator[Drift]:
        """Yield that the hub does not have the base model of a version any more."""
        uri = parse_uri(version.content.base_model)
        if uri.scheme != "hf":
            return
        hub = self.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        status, _ = self._get(f"{hub}/api/models/{uri.name}/revision/{uri.rest}", "HF_TOKEN")
        if status in (*_REFUSED, *_GONE):
            what = f"the hub does not give {version.content.base_model} any more (status {status})"
            remedy = f"keep a copy of it: no new server can load {version.version} without"
            yield Drift("lost_base_model", version.name, live.alias, what, remedy)

    def _lacks(self, endpoint: Endpoint) -> bool:
        """Whether it does not know the model by name either: some lists leave out aliases."""
        status, _ = self._get(f"{endpoint.url}/models/{quote(endpoint.model, safe='')}", endpoint.api_key_env)
        return status != _OK

    def _get(self, url: str, variable: str | None) -> tuple[int, Any]:
        """Return status and JSON of an answer; status 0 and why when there was none."""
        try:
            import httpx
        except ImportError as error:
            raise GituneError("asking servers needs httpx", hint="pip install 'gitune[judge]'") from error
        key = self.environ.get(variable, "").strip() if variable else ""
        headers = {"authorization": f"Bearer {key}"} if key and _is_private(url) else {}
        why = ""
        for attempt in range(_ATTEMPTS):
            if attempt:
                self.sleep(_PAUSE)
            try:
                # A redirect would carry the key to somebody else.
                with httpx.stream("GET", url, headers=headers, timeout=_TIMEOUT, follow_redirects=False) as answer:
                    return answer.status_code, _json(answer.iter_bytes())
            except httpx.HTTPError as error:
                why = (str(error) or type(error).__name__).replace(key or "\0", "***")
        return 0, f"{why} ({_ATTEMPTS} attempts)"


def _down(server: Server, what: str) -> Drift:
    return Drift(
        "server_down", server.name, server.name, what, "start it, or correct `servers` in registry/config.yaml"
    )


def _behind(entry: Deployment, said: Mapping[str, Any]) -> str:
    """Return that a server does not answer with what was deployed, if so."""
    cards = [card for card in said["live"] if isinstance(card, dict) and card.get("alias") == entry.alias]
    served = [str(card.get("root", "")) for card in cards]
    mine = next((root.partition("@")[2] for root in served if root.partition("@")[0] == entry.name), None)
    if mine == entry.version:
        return ""
    when = f"entry {entry.number} deployed {entry.version} at {entry.deployed:%Y-%m-%d %H:%M} UTC"
    return f"{when}, the server answers with {mine or 'nothing'}{_troubles(said)}"


def _troubles(said: object) -> str:
    errors = said.get("errors") if isinstance(said, dict) else None
    messages = (
        [str(one.get("message", "")) for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    )
    return f": {' '.join(messages[0].split())[:300]}" if messages else ""


def _ids(said: object) -> set[str] | None:
    """Return the models of a list; None where it is none."""
    models = said.get("data") if isinstance(said, dict) else None
    if not isinstance(models, list):
        return None
    return {str(model.get("id")) for model in models if isinstance(model, dict)}


def _json(parts: Iterator[bytes]) -> Any:
    content = bytearray()
    for part in parts:
        content += part
        if len(content) > _LARGEST:
            return None
    try:
        return json.loads(content)
    except ValueError:
        return None


def _is_private(url: str) -> bool:
    """Whether nobody on the way can read what is sent."""
    host = urlsplit(url).hostname or ""
    try:
        return url.lower().startswith("https://") or host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
