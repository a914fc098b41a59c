"""What specs may use beyond themselves, as registry/config.yaml names it: programs, endpoints, machines, servers.

A spec only names these. A pull request must not choose what is executed, where, or who receives a key.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, field_validator, model_validator

from runner.spec.section import Name, Section

Seconds = Annotated[float, Field(gt=0, le=86400, allow_inf_nan=False)]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]

_URL = re.compile(r"(https?)://([^/?#\s]+)(/[^?#\s]*)?", re.IGNORECASE)
_LOOPBACK = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?", re.IGNORECASE)


class MetricCommand(Section):
    """A program that scores answers: JSON rows on its stdin, JSON scores on its stdout (docs/evaluation.md)."""

    name: Name
    """What specs call it."""
    command: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]
    """Program and arguments, run in the repository without a shell."""
    files: list[str] = []  # noqa: RUF012 - pydantic copies it
    """Files of the repository that decide its scores, beside those that are arguments: new content is scored anew."""
    env: list[EnvironmentName] = []  # noqa: RUF012 - pydantic copies it
    """Environment variables that it may see, beside PATH, HOME, LANG and TMPDIR."""
    timeout: Seconds = 60.0
    """Seconds that one run, over all answers of one model, may take."""

    @field_validator("files")
    @classmethod
    def _in_the_repository(cls, files: list[str]) -> list[str]:
        for file in files:
            if not is_repository_path(file):
                raise ValueError(f"`{file}` is no path inside the repository")
        return files


class Endpoint(Section):
    """A language model behind an OpenAI-compatible API."""

    name: Name
    """What specs call it."""
    url: str
    """Base URL, such as https://api.openai.com/v1."""
    model: Annotated[str, Field(min_length=1)]
    """The model's name there."""
    api_key_env: EnvironmentName | None = None
    """Environment variable that holds the key; none: requests carry no key."""
    timeout: Seconds = 60.0
    """Seconds that one request may take."""
    max_parallel: Annotated[int, Field(ge=1, le=64)] = 4
    """Requests under way at the same time."""

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, url: str) -> str:
        match = _URL.fullmatch(url)
        if match is None:
            raise ValueError("write a base URL, such as https://api.openai.com/v1")
        if "@" in match[2]:
            raise ValueError("a URL holds no password; name the key's environment variable in api_key_env")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _key_stays_secret(self) -> Endpoint:
        scheme, host = self.url.partition("://")[::2]
        clear = scheme.lower() == "http" and not _LOOPBACK.fullmatch(host.partition("/")[0])
        if self.api_key_env and clear:
            raise ValueError("http:// would send the key for everybody to read; use https://")
        return self


class Embeddings(Section):
    """A sentence embedding model."""

    name: Name
    """What specs call it."""
    model: Annotated[str, Field(pattern=r"^(pkg://[A-Za-z_]\w*/.+|hf://[\w.-]+/[\w.-]+@[0-9a-f]{40}|file://.+)$")]
    """A checkpoint of transformers: `pkg://PACKAGE/FOLDER`, `hf://ORG/NAME@COMMIT` or `file://DIR`."""


class TokenPrice(Section):
    """What tokens cost."""

    input_per_million: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """US dollars for a million tokens of prompts."""
    output_per_million: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    """US dollars for a million tokens of answers."""


class Runner(Section):
    """A kind of machine that CI has."""

    name: Name
    """What `compute.profile` of specs calls it."""
    runs_on: Annotated[list[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]], Field(min_length=1)]
    """Labels of the runner, as GitHub's `runs-on` and GitLab's `tags` take them."""
    timeout_minutes: Annotated[int, Field(ge=1, le=7200)] = 360
    """Minutes after which a job is ended; a training goes on from its checkpoint where the cache is kept."""
    usd_per_hour: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """US dollars for an hour of it; for `default`, `prices.default` says the same."""


class Server(Section):
    """Where the models of an alias answer."""

    name: Name
    """The alias, such as production."""
    url: str
    """Base URL of `gitune serve`, such as https://models.example.com."""

    @field_validator("url")
    @classmethod
    def _is_a_url(cls, url: str) -> str:
        match = _URL.fullmatch(url)
        if match is None or "@" in match[2]:
            raise ValueError("write a base URL without credentials, such as https://models.example.com")
        return url.rstrip("/")


Named = MetricCommand | Endpoint | Embeddings | Runner | Server


def unique_names(entries: Sequence[Named]) -> None:
    """Refuse two entries of one name.

    Raises:
        ValueError: when there are any.
    """
    name, count = next(iter(Counter(entry.name for entry in entries).most_common(1)), ("", 0))
    if count > 1:
        raise ValueError(f"`{name}` is named twice")


def is_repository_path(path: str) -> bool:
    """Whether a path is relative and stays inside the repository, whatever lies there."""
    return bool(path) and "\0" not in path and path[0] not in "/~-" and ".." not in path.split("/") and "\\" not in path
