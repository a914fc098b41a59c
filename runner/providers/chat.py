"""An endpoint of registry/config.yaml -> its answers, through OpenAI's chat completions API.

    with ChatClient(endpoint) as client:
        text = client.complete(messages, seed=0)

Overload and silence are waited for; the key never leaves the headers.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from runner.errors import GituneError, TransientError
from runner.spec.services import Endpoint

# Loaded when a client is made: plans import this package's users.
if TYPE_CHECKING:
    import httpx

Message = Mapping[str, str]

ATTEMPTS = 5
LONGEST_WAIT = 60.0
"""Seconds; an endpoint that asks for a longer pause is told as overloaded."""
LARGEST_ANSWER = 1 << 20
MAX_TOKENS = 1024

# Statuses after which the same request may succeed.
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_UNKNOWN_HERE = {401, 403}


class ChatClient:
    """A client of one endpoint; its methods may be called by several threads.

    Args:
        endpoint: whom to ask.
        sleep: how to wait.

    Raises:
        GituneError: when the library is missing, or the environment variable of the key is not set.
    """

    def __init__(self, endpoint: Endpoint, sleep: Callable[[float], None] = time.sleep) -> None:
        try:
            import httpx
        except ImportError as error:
            raise GituneError("language models as judges need httpx", hint="pip install 'gitune[judge]'") from error
        self._endpoint = endpoint
        self._sleep = sleep
        self._key = _key_of(endpoint)
        headers = {"authorization": f"Bearer {self._key}"} if self._key else {}
        # A redirect would carry the key to somebody else.
        self._client = httpx.Client(headers=headers, timeout=endpoint.timeout, follow_redirects=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def complete(self, messages: Sequence[Message], seed: int) -> str:
        """Return the answer to a conversation, as deterministic as the endpoint is.

        Raises:
            TransientError: when the endpoint stays silent or overloaded.
            GituneError: when it refuses the request, or its answer is none of this API.
        """
        body = {
            "model": self._endpoint.model,
            "messages": list(messages),
            "temperature": 0,
            "seed": seed,
            "max_tokens": MAX_TOKENS,
        }
        for attempt in range(1, ATTEMPTS + 1):
            status, content, pause = self._post(body)
            if status == 200:  # noqa: PLR2004 - HTTP's OK
                return self._text(content)
            if status and status not in _PASSING:
                raise self._refused(status, content)
            if attempt == ATTEMPTS or pause > LONGEST_WAIT:
                break
            # Threads that were refused together must not come back together.
            self._sleep(max(pause, 2.0 ** (attempt - 1)) * random.uniform(1.0, 1.5))  # noqa: S311
        raise TransientError(
            f"endpoint {self._endpoint.name}: {f'status {status}' if status else content}, after {attempt} attempts",
            hint=f"apply again later, or see whether {self._endpoint.url} is up and allows that many requests",
        )

    def _post(self, body: Mapping[str, Any]) -> tuple[int, str, float]:
        """Return status, content and the pause that is asked for; status 0 and why when there was no answer."""
        import httpx

        # A model that writes a byte now and then never times out by itself.
        end = time.monotonic() + self._endpoint.timeout
        try:
            with self._client.stream("POST", f"{self._endpoint.url}/chat/completions", json=body) as response:
                content = bytearray()
                for part in response.iter_bytes():
                    content += part
                    if len(content) > LARGEST_ANSWER or time.monotonic() > end:
                        return 0, "its answer takes too long or does not end", 0.0
                return response.status_code, content.decode(errors="replace"), _pause(response)
        except httpx.TimeoutException:
            return 0, f"nothing within {self._endpoint.timeout:g} s", 0.0
        except httpx.HTTPError as error:
            return 0, self._without_key(str(error) or type(error).__name__), 0.0

    def _text(self, content: str) -> str:
        import json

        try:
            text = json.loads(content)["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError) as error:
            raise self._foreign(content) from error
        if text is not None and not isinstance(text, str):
            raise self._foreign(content)
        return text or ""

    def _refused(self, status: int, content: str) -> GituneError:
        name = self._endpoint.name
        if status in _UNKNOWN_HERE:
            # What such answers say repeats parts of the key.
            variable = self._endpoint.api_key_env
            hint = f"see the key in ${variable}" if variable else "name the key's variable in api_key_env"
            return GituneError(f"endpoint {name} refuses us (status {status})", hint=hint)
        said = self._without_key(content)
        return GituneError(
            f"endpoint {name} refuses the request (status {status}): {said}",
            hint=f"see url and model of `{name}` in registry/config.yaml",
        )

    def _foreign(self, content: str) -> GituneError:
        return GituneError(
            f"endpoint {self._endpoint.name} does not answer as chat completions do: {self._without_key(content)}",
            hint="its url ends before /chat/completions, such as https://api.openai.com/v1",
        )

    def _without_key(self, text: str) -> str:
        """Return the beginning of what was said, on one line and without the key."""
        clean = text.replace(self._key, "***") if self._key else text
        shown = "".join(char if char.isprintable() else " " for char in clean[:200]).strip()
        return shown or "nothing"


def _key_of(endpoint: Endpoint) -> str:
    if endpoint.api_key_env is None:
        return ""
    key = os.environ.get(endpoint.api_key_env, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        fault = "is no key" if key else "is not set"
        raise GituneError(
            f"endpoint {endpoint.name} needs a key in ${endpoint.api_key_env}, which {fault}",
            hint=f"set {endpoint.api_key_env} in the environment of the apply",
        )
    return key


def _pause(response: httpx.Response) -> float:
    """Return the seconds that an endpoint asks us to wait; dates are not understood and mean none."""
    asked = response.headers.get("retry-after", "")
    return float(asked) if asked.isdecimal() else 0.0
